"""What every dialect offers to the raw lane, where client and upstream speak the same one.

Bytes pass through; what may change is named in design section 6: the model, the ask for usage, the model's quirks
on the way there; the model's alias, an unasked usage event and the held last event on the way back.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

import msgspec

from freetheai_gateway.domain.conversation import Conversation
from freetheai_gateway.domain.events import Event, Reply
from freetheai_gateway.domain.pools import Quirks
from freetheai_gateway.domain.usage import Usage
from freetheai_gateway.errors import GatewayError
from freetheai_gateway.jsonc import Fields


class DialectName(StrEnum):
    """The wire formats by name; providers say which of them they speak."""

    OPENAI_CHAT = "openai_chat"
    ANTHROPIC_MESSAGES = "anthropic_messages"
    OPENAI_RESPONSES = "openai_responses"
    GEMINI = "gemini"
    OPENAI_EMBEDDINGS = "openai_embeddings"


class RawRequest(msgspec.Struct, frozen=True):
    """A request whose top-level fields are kept as the bytes they came in."""

    fields: Fields
    model: str
    streamed: bool
    usage_asked: bool
    """Whether the client wants to see usage in its stream."""


class RawReply(msgspec.Struct, frozen=True):
    """A whole reply, ready for the client; `usage` is `None` where the upstream gave none."""

    body: bytes
    usage: Usage | None
    delivered: bool


class MalformedReply(Exception):
    """The upstream's bytes are no reply of this dialect; the text names what is wrong and quotes nothing."""


class UpstreamSaidError(Exception):
    """The upstream reported a failure inside a reply whose HTTP status was good; holds nothing of its text.

    `status`: the HTTP status that would have said the same; 0 = it said no more than that it failed.
    """

    def __init__(self, why: str = "", *, status: int = 0) -> None:
        super().__init__(why)
        self.status = status


Fault = MalformedReply | UpstreamSaidError


def anew(fault: Fault) -> Fault:
    """Make the same fault without its trail, to be kept or raised by whoever keeps it.

    The frames that an exception has passed know whoever keeps it: a circle that only the garbage collector undoes.
    """
    if isinstance(fault, UpstreamSaidError):
        return UpstreamSaidError(*fault.args, status=fault.status)
    return MalformedReply(*fault.args)


class RawStream(Protocol):
    """Follows one streamed reply from upstream to client. Fed with bytes that are cut anywhere."""

    usage: Usage | None
    delivered: bool
    """At least one byte of content was given out."""
    event_count: int
    """Events with content that were given out; the measure of an estimate where usage is missing."""
    reply_id: str
    """The upstream's id of the reply, where the client has seen it and insists that it stays the same; else empty."""

    @property
    def final(self) -> bytes:
        """The last event, held until the request's record is written; empty before it came."""
        ...

    def feed(self, data: bytes) -> bytes:
        """Take upstream bytes, return what goes to the client now: everything before a failure, if there is one."""
        ...

    def check(self) -> None:
        """Raise the `MalformedReply` or `UpstreamSaidError` that followed what `feed` returned, if one did."""
        ...

    def finish(self) -> bytes:
        """Take the upstream's clean end; returns the last bytes. Raises `MalformedReply` where it came too early."""
        ...


@dataclass(frozen=True, slots=True)
class LimitHeaderNames:
    """Names of one SDK family for requests per minute; `reset_is_timestamp`: RFC 3339 and not a duration."""

    limit: bytes
    remaining: bytes
    reset: bytes
    reset_is_timestamp: bool


class Dialect(Protocol):
    """One wire format of the raw lane; stateless."""

    name: DialectName
    keepalive: bytes
    """A whole event or comment that clients ignore: a sign of life while the upstream is silent."""
    limit_headers: LimitHeaderNames
    forwarded_headers: tuple[bytes, ...]
    """Beginnings of the client's header names that an upstream of the same dialect gets to see."""

    def parse_request(self, body: bytes) -> RawRequest:
        """Read and check what the gateway itself needs. Raises `InvalidRequest`."""
        ...

    def render_request(
        self, request: RawRequest, upstream_model: str, quirks: Quirks, default_output_tokens: int | None
    ) -> bytes:
        """Render the body for the upstream."""
        ...

    def parse_reply(self, body: bytes, alias: str) -> RawReply:
        """Read a whole reply and put the alias in. Raises `MalformedReply`, `UpstreamSaidError`."""
        ...

    def open_stream(self, request: RawRequest, alias: str) -> RawStream:
        """Begin to follow a streamed reply."""
        ...

    def render_error(self, error: GatewayError, request_id: str) -> bytes:
        """Render an error as the body of an HTTP error."""
        ...

    def render_stream_error(self, error: GatewayError, request_id: str, reply_id: str = "") -> bytes:
        """Render an error as the last event of a stream; `reply_id` as in `RawStream`."""
        ...


# --- the translation lane: client and upstream speak different dialects ---------------------------------------


@dataclass(frozen=True, slots=True)
class RenderedRequest:
    """A request in an upstream's dialect.

    `dropped` names what could not be said in it (`seed`, `logit_bias`), for `x-gateway-dropped`.
    `names` maps the tool names that were sent to the caller's own, where a dialect's rules made them differ.
    """

    body: bytes
    dropped: tuple[str, ...] = ()
    names: Mapping[str, str] = field(default_factory=dict)


class Target(msgspec.Struct, frozen=True):
    """What rendering for an upstream needs to know of the model there.

    `max_tokens`: sent where the request names no cap and the dialect requires one.
    """

    model: str
    quirks: Quirks
    default_output_tokens: int | None = None
    max_output_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class ClientView:
    """How a reply is to look to the client: its alias for the model, and what its request asked to see."""

    alias: str
    reply_id: str
    """Unique per request, letters and digits only; renderers put their dialect's prefix before it."""
    created: int
    request: Conversation
    input_tokens_estimate: int = 0


class ReplyParser(Protocol):
    """Reads one upstream reply into neutral events, in the order that `domain.events` promises.

    Raises `MalformedReply` and `UpstreamSaidError` after the events that came before were returned: at the next call.
    """

    def feed(self, data: bytes) -> list[Event]:
        """Take bytes of a stream, cut anywhere."""
        ...

    def finish(self) -> list[Event]:
        """Take the clean end of a stream. Raises `MalformedReply` where the reply was not finished."""
        ...

    def parse_whole(self, body: bytes) -> list[Event]:
        """Read a whole reply."""
        ...


class ReplyRenderer(Protocol):
    """Writes neutral events as a stream of the client's dialect."""

    def render(self, events: Sequence[Event]) -> bytes:
        """Render events; what must not go out before the record is written is held for `final`."""
        ...

    def final(self) -> bytes:
        """Render the end of the stream, after `Finished` was rendered."""
        ...


class ClientTranslator(Protocol):
    """Reads a client's requests and writes the replies it gets; stateless, makes one machine per reply."""

    name: DialectName

    def parse(self, body: bytes) -> Conversation:
        """Read a client's request. Raises `InvalidRequest`."""
        ...

    def reply_renderer(self, view: ClientView) -> ReplyRenderer:
        """Begin to write a streamed reply for a client."""
        ...

    def render_whole(self, reply: Reply, view: ClientView) -> bytes:
        """Write a whole reply for a client."""
        ...


class UpstreamTranslator(Protocol):
    """Writes requests for an upstream and reads its replies; stateless, makes one machine per reply."""

    name: DialectName

    def render(self, conversation: Conversation, target: Target) -> RenderedRequest:
        """Write a request for an upstream. Raises `InvalidRequest` for what must be refused and not dropped."""
        ...

    def reply_parser(self, rendered: RenderedRequest) -> ReplyParser:
        """Begin to read the reply to a rendered request."""
        ...


class Translator(ClientTranslator, UpstreamTranslator, Protocol):
    """The four verbs of a dialect that clients and upstreams both speak."""
