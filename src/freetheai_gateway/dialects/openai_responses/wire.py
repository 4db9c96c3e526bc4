"""The parts of replies that the gateway reads: usage, the `Response` object, events.

Source: OpenAI API reference, "Responses" and "Streaming events".
"""

import msgspec

from freetheai_gateway.domain.events import UsageReported
from freetheai_gateway.domain.usage import Usage, detail_of, token_count
from freetheai_gateway.jsonc import Raw, ReplyDecoder

ABSENT = Raw()
"""A raw field that is not there; a union of `Raw` and `None` can't be decoded."""

_NOTHING = frozenset({b"", b"null", b"false", b"{}", b'""'})


class UsageWire(msgspec.Struct):
    """`usage`; `input_tokens` includes cached ones, `output_tokens` includes reasoning."""

    input_tokens: object = None
    output_tokens: object = None
    input_tokens_details: object = None
    output_tokens_details: object = None

    def to_usage(self) -> Usage:
        """Read as neutral usage; absent and negative counts are 0."""
        return Usage(
            input_tokens=token_count(self.input_tokens),
            output_tokens=token_count(self.output_tokens),
            cached_tokens=token_count(detail_of(self.input_tokens_details, "cached_tokens")),
            reasoning_tokens=token_count(detail_of(self.output_tokens_details, "reasoning_tokens")),
        )

    def to_event(self) -> UsageReported:
        """Read as an event."""
        return UsageReported(self.to_usage(), token_count(detail_of(self.input_tokens_details, "cache_write_tokens")))


class IncompleteDetails(msgspec.Struct):
    """`incomplete_details`."""

    reason: str | None = None


class Response(msgspec.Struct):
    """A whole reply, or the state of one in an event of its life."""

    id: str | None = None
    object: str | None = None
    model: str | None = None
    created_at: float | str | None = None
    status: str | None = None
    output: list[Raw] | None = None
    usage: UsageWire | None = None
    error: Raw = ABSENT
    incomplete_details: IncompleteDetails | None = None

    def failed(self) -> bool:
        """Whether the upstream says that this reply came to nothing."""
        return self.status in {"failed", "cancelled"} or bytes(self.error) not in _NOTHING


class Event(msgspec.Struct):
    """Any event; what has another form in events that are not read here stays as its bytes."""

    type: str
    response: Response | None = None


class ItemEvent(msgspec.Struct):
    """An event about one item of the output."""

    type: str
    delta: str = ""
    output_index: int | None = None
    content_index: int | None = None
    summary_index: int | None = None
    item: Raw = ABSENT


class Kind(msgspec.Struct):
    """The type of any event or item."""

    type: str = ""


decode_response: ReplyDecoder[Response] = ReplyDecoder(Response)
decode_event: ReplyDecoder[Event] = ReplyDecoder(Event)
decode_item_event: ReplyDecoder[ItemEvent] = ReplyDecoder(ItemEvent)
decode_kind: ReplyDecoder[Kind] = ReplyDecoder(Kind)

LAST_EVENTS = frozenset({"response.completed", "response.incomplete"})
FAILURES = frozenset({"response.failed", "response.cancelled", "error"})
LIFE_EVENTS = frozenset({"response.created", "response.queued", "response.in_progress"})
DONE = b"[DONE]"
"""A terminator of other dialects; some upstreams send it here too, after the last event."""
