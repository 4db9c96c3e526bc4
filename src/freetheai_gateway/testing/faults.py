"""A scripted upstream that fails at random, in every way of the drill."""

from random import Random

from freetheai_gateway.testing.upstream import ScriptedUpstream

BEFORE_CONTENT = (
    "cut-before-head",
    "cut-before-head?reset=1",
    "never",
    "not-http",
    "status?code=404",
    "status?code=500",
    "status?code=500&form=html",
    "status?code=503",
    "status?code=504",
    "bad-json",
    "html-page",
    "silence-after-head",
    "cut-after-head",
    "error-first",
    "cut-mid-stream?after=1",
    "error-mid-stream?after=1",
    "bad-sse?after=1",
)
"""Failures after which another upstream may take over; those of streams fail whole replies too."""
AFTER_CONTENT = ("cut-mid-stream?after=3", "cut-mid-event?after=3", "error-mid-stream?after=3", "bad-sse?after=3")
"""Failures of streams after which nothing can."""


class FaultyUpstream(ScriptedUpstream):
    """Fails a share of its requests; which ones and how is drawn from a seed."""

    def __init__(self, share: float, faults: tuple[str, ...], *, seed: int, port: int = 0) -> None:
        super().__init__(port=port)
        self.share = share
        """Of the requests that fail, from 0 to 1."""
        self.failed = 0
        """Requests that were answered with a failure."""
        self._faults = faults
        self._random = Random(seed)  # noqa: S311 - a test's chance, no secret

    def behaviour_of(self, model: str) -> str:
        """Fail, or do what the model's name says."""
        if self._random.random() >= self.share:
            return model
        self.failed += 1
        return self._random.choice(self._faults)
