"""What is played, and what `docs/failover.md` promises for it: one line a failure, in each phase of a reply.

The upstream that fails comes first; where there is another one, it is healthy and comes second. Each case has a
provider of its own, so that none sees the keys and breakers of another.
"""

from collections.abc import Iterator
from enum import StrEnum

import msgspec


class Phase(StrEnum):
    """When it fails."""

    HEAD = "before the head"
    CONTENT = "before content"
    MID = "after content"
    NEVER = "not at all"


class Place(StrEnum):
    """Where the failing provider is."""

    SCRIPTED = "scripted"
    """At the scripted upstream, which plays `Failure.behaviour`."""
    CLOSED = "closed"
    """At a port that refuses connections."""
    NOWHERE = "nowhere"
    """At a host name that has no address."""
    NO_TLS = "no_tls"
    """At a port that is said to speak TLS and does not."""


class Seen(msgspec.Struct, frozen=True, gc=False):
    """What a client gets and what is left of it.

    `answer` is `whole`, an HTTP status, or `broken` for a stream that ends in an error event. `attempts` and `status`
    stand in the record.
    """

    answer: str
    attempts: int
    status: int


class Failure(msgspec.Struct, frozen=True):
    """One way to fail. `streamed`: `None` = in streams and whole replies alike. `after`: what is left behind.

    `after` is `closed` or `open` for the breaker once two distinct requests went that way, or `resting` or `cooling`
    for the key.
    """

    name: str
    phase: Phase
    paired: Seen
    alone: Seen
    after: str = "open"
    behaviour: str = "plain"
    place: Place = Place.SCRIPTED
    streamed: bool | None = None


class Case(msgspec.Struct, frozen=True):
    """One failure, as a stream or not, with another upstream or not."""

    failure: Failure
    streamed: bool
    paired: bool

    @property
    def id(self) -> str:
        """Name it, in letters that a model's id may have."""
        name = "".join(char if char.isalnum() else "-" for char in self.failure.name.lower())
        return f"{name}-{self.failure.phase.name.lower()}-{'stream' if self.streamed else 'whole'}-" + (
            "paired" if self.paired else "alone"
        )

    @property
    def expected(self) -> Seen:
        """What the contract promises."""
        return self.failure.paired if self.paired else self.failure.alone


_OTHER = Seen("whole", 2, 200)
"""The other upstream's answer."""


def _once(status: int) -> Seen:
    return Seen(str(status), 1, status)


def _thrice(status: int) -> Seen:
    """Ask the same upstream three times."""
    return Seen(str(status), 3, status)


def _stream(name: str, phase: Phase, seen: tuple[Seen, Seen], behaviour: str, after: str = "open") -> Failure:
    """Fail in streams only; `seen` with another upstream and without."""
    return Failure(name, phase, *seen, after, behaviour, streamed=True)


def _whole(name: str, phase: Phase, seen: tuple[Seen, Seen], behaviour: str, after: str = "open") -> Failure:
    """Fail in whole replies only."""
    return Failure(name, phase, *seen, after, behaviour, streamed=False)


_BROKEN, _LATE = Seen("broken", 1, 502), Seen("broken", 1, 504)
_GOOD = Seen("whole", 1, 200)

FAILURES = (
    Failure("refused", Phase.HEAD, _OTHER, _thrice(502), place=Place.CLOSED),
    Failure("no address", Phase.HEAD, _OTHER, _once(502), place=Place.NOWHERE),
    Failure("no TLS", Phase.HEAD, _OTHER, _once(502), place=Place.NO_TLS),
    Failure("no HTTP", Phase.HEAD, _OTHER, _once(502), behaviour="not-http"),
    Failure("cut", Phase.HEAD, _OTHER, _thrice(502), behaviour="cut-before-head"),
    Failure("reset", Phase.HEAD, _OTHER, _thrice(502), behaviour="cut-before-head?reset=1"),
    _stream("silence", Phase.HEAD, (_OTHER, _once(504)), "never"),
    _whole("silence", Phase.HEAD, (_once(504), _once(504)), "never"),
    Failure("400", Phase.HEAD, _once(400), _once(400), "closed", "status?code=400"),
    Failure("401", Phase.HEAD, _OTHER, _once(502), "resting", "status?code=401"),
    Failure("402", Phase.HEAD, _OTHER, _once(502), "resting", "status?code=402"),
    Failure("403", Phase.HEAD, _OTHER, _once(502), "cooling", "status?code=403"),
    Failure("404", Phase.HEAD, _OTHER, _once(502), behaviour="status?code=404"),
    Failure("413", Phase.HEAD, _once(413), _once(413), "closed", "status?code=413"),
    Failure("429", Phase.HEAD, _OTHER, _once(503), "cooling", "status?code=429&retry_after=30"),
    Failure("500", Phase.HEAD, _OTHER, _thrice(502), behaviour="status?code=500"),
    Failure("500 as a page", Phase.HEAD, _OTHER, _thrice(502), behaviour="status?code=500&form=html"),
    Failure("502 and nothing", Phase.HEAD, _OTHER, _thrice(502), behaviour="status?code=502&form=empty"),
    Failure("503", Phase.HEAD, _OTHER, _thrice(503), behaviour="status?code=503"),
    Failure("503 for a while", Phase.HEAD, _OTHER, _once(503), behaviour="status?code=503&retry_after=30"),
    Failure("504", Phase.HEAD, _OTHER, _once(504), behaviour="status?code=504"),
    Failure("529", Phase.HEAD, _OTHER, _thrice(503), behaviour="status?code=529"),
    Failure("302", Phase.HEAD, _OTHER, _once(502), behaviour="status?code=302"),
    _stream("silence", Phase.CONTENT, (_OTHER, _once(504)), "silence-after-head"),
    _stream("silence after the role", Phase.CONTENT, (_OTHER, _once(504)), "silence-mid-stream?after=1"),
    _stream("signs of life only", Phase.CONTENT, (_OTHER, _once(504)), "pings?delay_s=0.1"),
    _stream("cut", Phase.CONTENT, (_OTHER, _thrice(502)), "cut-after-head"),
    _stream("cut after the role", Phase.CONTENT, (_OTHER, _thrice(502)), "cut-mid-stream?after=1"),
    _stream("error in a 200", Phase.CONTENT, (_OTHER, _thrice(502)), "error-first"),
    _stream("error after the role", Phase.CONTENT, (_OTHER, _thrice(502)), "error-mid-stream?after=1"),
    _stream("nonsense after the role", Phase.CONTENT, (_OTHER, _once(502)), "bad-sse?after=1"),
    Failure("a page in a 200", Phase.CONTENT, _OTHER, _once(502), behaviour="html-page"),
    Failure("broken JSON", Phase.CONTENT, _OTHER, _once(502), behaviour="bad-json"),
    _whole("cut in the body", Phase.CONTENT, (_OTHER, _thrice(502)), "cut-body"),
    _whole("silence in the body", Phase.CONTENT, (_once(504), _once(504)), "silence-mid-body"),
    _stream("silence", Phase.MID, (_LATE, _LATE), "silence-mid-stream?after=3"),
    _stream("cut", Phase.MID, (_BROKEN, _BROKEN), "cut-mid-stream?after=3"),
    _stream("reset", Phase.MID, (_BROKEN, _BROKEN), "cut-mid-stream?after=3&reset=1"),
    _stream("cut in an event", Phase.MID, (_BROKEN, _BROKEN), "cut-mid-event?after=3"),
    _stream("error", Phase.MID, (_BROKEN, _BROKEN), "error-mid-stream?after=3"),
    _stream("nonsense", Phase.MID, (_BROKEN, _BROKEN), "bad-sse?after=3"),
    _stream("no end", Phase.MID, (_BROKEN, _BROKEN), "plain?done=0&finish=null"),
    Failure("slow head", Phase.NEVER, _GOOD, _GOOD, "closed", "plain?head_delay_s=0.3"),
    Failure("no usage", Phase.NEVER, _GOOD, _GOOD, "closed", "plain?usage=none"),
    Failure("wrong usage", Phase.NEVER, _GOOD, _GOOD, "closed", "plain?usage=wrong"),
    _stream("JSON for a stream", Phase.NEVER, (_GOOD, _GOOD), "json-anyway", "closed"),
    _whole("a stream for JSON", Phase.NEVER, (_GOOD, _GOOD), "sse-anyway", "closed"),
)  # fmt: skip


def every_case() -> Iterator[Case]:
    """List all of them."""
    for failure in FAILURES:
        for streamed in (True, False):
            if failure.streamed is None or failure.streamed is streamed:
                for paired in (True, False):
                    yield Case(failure, streamed, paired)
