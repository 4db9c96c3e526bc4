"""A scripted upstream that speaks all four dialects over HTTP, by the voices.

    with speaking_in_thread() as upstream:
        upstream.say("scripted", [Answer("Hello.")])     # what requests for that model get, one after the other
        ...                                              # point a provider at upstream.url
        upstream.bodies("scripted")

A request that its vendor would refuse gets the vendor's 400. What is asked for without a plan gets `DEFAULT`.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from freetheai_gateway import jsonc
from freetheai_gateway.testing.exchanges import Exchange
from freetheai_gateway.testing.scripts import LAST_CHUNK, Hold, Script, Send, head, http_chunk, whole_reply
from freetheai_gateway.testing.upstream import ScriptedUpstream, served_in_thread
from freetheai_gateway.testing.voices import VOICES, Answer, Asked, Trouble, Voice
from freetheai_gateway.testing.voices.voice import decode_object

DEFAULT = Answer("Hello from the scripted upstream.")
HELD = "held"
"""A plan: half of a stream, then silence until the client leaves."""

Plan = Answer | Trouble | str


class SpeakingUpstream(ScriptedUpstream):
    """A `ScriptedUpstream` whose replies are said by the voice that belongs to the address."""

    def __init__(self) -> None:
        super().__init__()
        self._said: dict[str, list[Plan]] = {}
        self.refused: list[str] = []
        """What vendors would have complained of: a test of a translator wants none."""

    def say(self, model: str, plans: Sequence[Plan]) -> None:
        """Set what the next requests for `model` get, in any dialect."""
        self._said[model] = list(plans)

    def forget(self) -> None:
        """Drop all plans, and what was seen so far."""
        super().forget()
        self._said.clear()
        self.refused.clear()

    def bodies(self, model: str) -> list[bytes]:
        """Give what was asked of `model`, in the order it came."""
        return [one.body for one in self.exchanges if _model(one.target, one.body) == model]

    def received(
        self, connection: int, method: str, target: str, headers: tuple[tuple[str, str], ...], body: bytes
    ) -> tuple[Exchange, Script]:
        """Keep a request and decide its reply."""
        exchange, script = super().received(connection, method, target, headers, body)
        path = target.partition("?")[0]
        voice = next((one for one in VOICES.values() if path.endswith(one.paths)), None)
        return exchange, script if voice is None else self._spoken(voice, target, body)

    def _spoken(self, voice: Voice, target: str, body: bytes) -> Script:
        complaints = voice.complaints(body)
        if complaints:
            self.refused += complaints
            return whole_reply(400, jsonc.encode({"error": {"message": "; ".join(complaints), "type": "refused"}}))
        asked = Asked(_model(target, body), body)
        plans = self._said.get(asked.model)
        plan = plans.pop(0) if plans else DEFAULT
        if isinstance(plan, Trouble):
            failure = voice.failure(plan)
            return whole_reply(failure.status, failure.body, headers=failure.headers)
        answer = plan if isinstance(plan, Answer) else DEFAULT
        if not _is_streamed(target, body):
            return whole_reply(200, voice.whole(answer, asked))
        events = voice.events(answer, asked)
        opening = head(200, (("content-type", "text/event-stream"), ("transfer-encoding", "chunked")))
        if plan == HELD:
            return (Send(opening), *(Send(http_chunk(event)) for event in events[: len(events) // 2]), Hold())
        return (Send(opening), *(Send(http_chunk(event)) for event in events), Send(LAST_CHUNK))


def _model(target: str, body: bytes) -> str:
    """Read the model: from the body, or from the address where the vendor puts it there."""
    _, models, rest = target.partition("/models/")
    return rest.partition(":")[0] if models else str(decode_object(body).get("model"))


def _is_streamed(target: str, body: bytes) -> bool:
    return ":streamGenerateContent" in target or decode_object(body).get("stream") is True


@contextmanager
def speaking_in_thread() -> Iterator[SpeakingUpstream]:
    """Run one on an event loop of its own."""
    with served_in_thread(SpeakingUpstream()) as upstream:
        yield upstream
