"""The parts of Messages that the gateway reads. Source: Anthropic API reference, "Messages", "Streaming"."""

import msgspec

from freetheai_gateway.domain.usage import Usage, detail_of, token_count
from freetheai_gateway.jsonc import Raw, ReplyDecoder


class UsageWire(msgspec.Struct):
    """`usage`; `input_tokens` excludes what was read from or written to a cache."""

    input_tokens: object = None
    output_tokens: object = None
    cache_read_input_tokens: object = None
    cache_creation_input_tokens: object = None
    output_tokens_details: object = None

    def tells_input(self) -> bool:
        """Whether any count of the input is more than nothing."""
        return bool(self.input_tokens or self.cache_read_input_tokens or self.cache_creation_input_tokens)


class UsageTally:
    """Usage so far. Counts of a stream are cumulative: what is told replaces, what is not told stays as it was.

    No request has an input of nothing: where all its counts are 0, as compatible servers write what they do not know
    at the end, they tell nothing.
    """

    __slots__ = ("_fresh", "_output", "_read", "_thinking", "_written")

    def __init__(self) -> None:
        self._fresh = self._read = self._written = self._output = self._thinking = 0

    def take(self, told: UsageWire) -> Usage:
        """Take counts, give neutral usage: its input includes what was read from and written to a cache."""
        if told.tells_input():
            self._fresh = _newer(told.input_tokens, self._fresh)
            self._read = _newer(told.cache_read_input_tokens, self._read)
            self._written = _newer(told.cache_creation_input_tokens, self._written)
        self._output = _newer(told.output_tokens, self._output)
        self._thinking = _newer(detail_of(told.output_tokens_details, "thinking_tokens"), self._thinking)
        return Usage(
            input_tokens=token_count(self._fresh + self._read + self._written),
            output_tokens=self._output,
            cached_tokens=self._read,
            reasoning_tokens=self._thinking,
        )

    @property
    def cache_written_tokens(self) -> int:
        """Tokens written to a cache; part of the input."""
        return self._written


def _newer(told: object, earlier: int) -> int:
    return earlier if told is None else token_count(told)


class Message(msgspec.Struct):
    """A whole reply, or the beginning of one in `message_start`."""

    model: str | None = None
    content: list[Raw] | None = None
    usage: UsageWire | None = None
    type: str | None = None


class Event(msgspec.Struct):
    """Any stream event."""

    type: str
    message: Message | None = None
    usage: UsageWire | None = None


decode_message: ReplyDecoder[Message] = ReplyDecoder(Message)
decode_event: ReplyDecoder[Event] = ReplyDecoder(Event)
