"""The gateway's lanes between an SDK and a scripted vendor, in one process and without a socket.

The SDK's HTTP transport hands over the request; the lane renders it; the vendor's voice checks it by the vendor's
rules and answers; the answer goes back through the lane in small odd pieces.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from itertools import cycle

import httpx2

from freetheai_gateway.app.dialects import CLIENTS, UPSTREAMS
from freetheai_gateway.clock import SystemClock
from freetheai_gateway.dialects.anthropic_messages import AnthropicMessages
from freetheai_gateway.dialects.complaint import parse_complaint
from freetheai_gateway.dialects.lanes import Lane, RawLane, TranslationLane
from freetheai_gateway.dialects.openai_chat import OpenAIChat
from freetheai_gateway.dialects.openai_responses import OpenAIResponses
from freetheai_gateway.dialects.protocol import (
    ClientView,
    Dialect,
    DialectName,
    MalformedReply,
    Target,
    UpstreamSaidError,
)
from freetheai_gateway.dialects.token_estimate import estimate_tokens
from freetheai_gateway.domain.pools import Quirks
from freetheai_gateway.domain.usage import Usage
from freetheai_gateway.errors import GatewayError
from freetheai_gateway.services.provider_errors import from_complaint, from_fault
from freetheai_gateway.services.trace import Trace
from freetheai_gateway.testing.voices import VOICES, Answer, Asked, Failure, Trouble

ALIAS = "test/model"
REQUEST_ID = "req_01MATRIX"
CUTS = (1, 7, 3, 64, 2, 29)
"""Sizes of the pieces in which an upstream's bytes arrive, over and over."""

_RAW: dict[str, Dialect] = {
    "openai_chat": OpenAIChat(),
    "anthropic_messages": AnthropicMessages(),
    "openai_responses": OpenAIResponses(),
}
MODELS = {
    "openai_chat": "glm-5.1",
    "anthropic_messages": "claude-sonnet-4-5",
    "openai_responses": "gpt-5.1",
    "gemini": "gemini-3-flash",
}
"""The model behind each upstream, by whose name some dialects know what it takes."""


class Break(Enum):
    """How a reply breaks off after its first words."""

    ERROR = auto()
    """The upstream says that it failed."""
    CUT = auto()
    """The bytes end."""


@dataclass(frozen=True, slots=True)
class Broken:
    """An answer that does not come to its end."""

    answer: Answer
    how: Break


Plan = Answer | Broken | Trouble | Callable[[bytes], Answer]
"""What the upstream does with a request; a function decides when it has seen the body."""


@dataclass(frozen=True, slots=True)
class _HttpReply:
    """As much of an upstream's reply as the reading of an HTTP error looks at."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    at_end: bool = False

    async def read(self) -> bytes:
        """Unused: the body is handed over beside it."""
        raise NotImplementedError

    def content_came(self) -> None:
        """Nothing is waited for."""

    def close(self) -> None:
        """Nothing is open."""


@dataclass(slots=True)
class Loop:
    """One client dialect, one upstream dialect, and what the upstream will say, request after request."""

    client: str
    upstream: str
    plans: list[Plan]
    quirks: Quirks = field(default_factory=Quirks)
    contrary: bool = False
    """The upstream streams what was asked for whole, and the other way round."""
    cuts: Sequence[int] = CUTS
    bodies: list[bytes] = field(default_factory=list)
    """What the upstream got."""
    dropped: tuple[str, ...] = ()
    reply_id: str = ""
    usage: Usage | None = None
    """What would be charged for the last reply."""

    def handle(self, request: httpx2.Request) -> httpx2.Response:
        """Serve one request of an SDK."""
        return self.post(request.read())

    def post(self, body: bytes) -> httpx2.Response:
        """Serve one request."""
        try:
            return self._serve(body)
        except GatewayError as error:
            return _json(error.status, _RAW[self.client].render_error(error, REQUEST_ID))

    def _serve(self, body: bytes) -> httpx2.Response:
        streamed = _RAW[self.client].parse_request(body).streamed
        lane = self._lane(body)
        self.bodies.append(lane.body)
        self.dropped = lane.dropped
        voice = VOICES[self.upstream]
        asked = Asked(MODELS[self.upstream], lane.body)
        if self.upstream != self.client:
            wrong = voice.complaints(lane.body)
            assert not wrong, f"the vendor refuses {lane.body.decode()}\nfor {wrong}"
        plan = self.plans.pop(0)
        if callable(plan):
            plan = plan(lane.body)
        if isinstance(plan, Trouble):
            raise self._complaint(voice.failure(plan))
        answer = plan.answer if isinstance(plan, Broken) else plan
        events = _bend_events(voice.events(answer, asked), plan, voice.broken_event())
        whole = _bend_body(voice.whole(answer, asked), plan, voice.broken_whole())
        if streamed:
            return self._stream(lane, whole if self.contrary else events)
        return self._whole(lane, events if self.contrary else whole)

    def _lane(self, body: bytes) -> Lane:
        target = Target(MODELS[self.upstream], self.quirks, default_output_tokens=4096, max_output_tokens=32_000)
        if self.client == self.upstream:
            raw = _RAW[self.client]
            return RawLane(raw, raw.parse_request(body), target, ALIAS, lambda: self._translation(body, target))
        return self._translation(body, target)

    def _translation(self, body: bytes, target: Target) -> TranslationLane:
        client = CLIENTS[DialectName(self.client)]
        conversation = client.parse(body)
        view = ClientView(ALIAS, "01MATRIX", 1_795_397_400, conversation, estimate_tokens(conversation))
        return TranslationLane(client, UPSTREAMS[DialectName(self.upstream)], view, target)

    def _stream(self, lane: Lane, data: bytes) -> httpx2.Response:
        out: list[bytes] = []
        self.reply_id = ""
        try:
            self._relay(lane, data, out)
        except (MalformedReply, UpstreamSaidError) as fault:
            error = from_fault(fault, self._trace(), begun=any(out))
            if not any(out):
                raise error from fault
            out.append(_RAW[self.client].render_stream_error(error, REQUEST_ID, self.reply_id))
        return httpx2.Response(200, headers={"content-type": "text/event-stream"}, content=b"".join(out))

    def _relay(self, lane: Lane, data: bytes, out: list[bytes]) -> None:
        if self.contrary:
            first, stream = lane.unfold_reply(data)
            out.append(first)
        else:
            stream = lane.open_stream()
            for piece in _cut(data, self.cuts):
                out.append(stream.feed(piece))
                self.reply_id = stream.reply_id
                stream.check()
        out.append(stream.finish())
        self.usage = stream.usage

    def _whole(self, lane: Lane, body: bytes) -> httpx2.Response:
        try:
            reply = lane.fold_stream(body) if self.contrary else lane.parse_reply(body)
        except (MalformedReply, UpstreamSaidError) as fault:
            raise from_fault(fault, self._trace()) from fault
        self.usage = reply.usage
        return _json(200, reply.body)

    def _complaint(self, failure: Failure) -> GatewayError:
        headers = tuple((name.encode(), value.encode()) for name, value in failure.headers)
        complaint = parse_complaint(failure.status, failure.body)
        return from_complaint(complaint, _HttpReply(failure.status, headers), 0.0, self._trace())

    @staticmethod
    def _trace() -> Trace:
        trace = Trace(REQUEST_ID, "/v1", SystemClock())
        trace.model = ALIAS
        return trace


def _json(status: int, body: bytes) -> httpx2.Response:
    return httpx2.Response(status, headers={"content-type": "application/json"}, content=body)


def _bend_events(events: list[bytes], plan: Plan, broken: bytes) -> bytes:
    if not isinstance(plan, Broken):
        return b"".join(events)
    # Half of the events: text has begun in every dialect, and no dialect is near its end.
    return b"".join([*events[: len(events) // 2], *([broken] if plan.how is Break.ERROR else [])])


def _bend_body(body: bytes, plan: Plan, broken: bytes) -> bytes:
    if not isinstance(plan, Broken):
        return body
    return broken if plan.how is Break.ERROR else body[: len(body) // 2]


def _cut(data: bytes, cuts: Sequence[int]) -> Iterator[bytes]:
    start = 0
    for size in cycle(cuts):
        if start >= len(data):
            return
        yield data[start : start + size]
        start += size
