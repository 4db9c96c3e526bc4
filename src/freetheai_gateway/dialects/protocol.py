"""What every dialect offers to the raw lane, where client and upstream speak the same one.

Bytes pass through; what may change is named in design section 6: the model, the ask for usage, the model's quirks
on the way there; the model's alias, an unasked usage event and the held last event on the way back.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from freetheai_gateway.domain.pools import Quirks
from freetheai_gateway.domain.usage import Usage
from freetheai_gateway.errors import GatewayError
from freetheai_gateway.jsonc import Fields


class DialectName(StrEnum):
    """The wire formats by name; providers say which of them they speak."""

    OPENAI_CHAT = "openai_chat"
    ANTHROPIC_MESSAGES = "anthropic_messages"


@dataclass(frozen=True, slots=True)
class RawRequest:
    """A request whose top-level fields are kept as the bytes they came in."""

    fields: Fields
    model: str
    streamed: bool
    usage_asked: bool
    """Whether the client wants to see usage in its stream."""


@dataclass(frozen=True, slots=True)
class RawReply:
    """A whole reply, ready for the client; `usage` is `None` where the upstream gave none."""

    body: bytes
    usage: Usage | None
    delivered: bool


class MalformedReply(Exception):
    """The upstream's bytes are no reply of this dialect; the text names what is wrong and quotes nothing."""


class UpstreamSaidError(Exception):
    """The upstream reported a failure inside a reply whose HTTP status was good; holds nothing of its text."""


class RawStream(Protocol):
    """Follows one streamed reply from upstream to client. Fed with bytes that are cut anywhere."""

    usage: Usage | None
    delivered: bool
    """At least one byte of content was given out."""
    event_count: int
    """Events with content that were given out; the measure of an estimate where usage is missing."""

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

    def render_stream_error(self, error: GatewayError, request_id: str) -> bytes:
        """Render an error as the last event of a stream."""
        ...
