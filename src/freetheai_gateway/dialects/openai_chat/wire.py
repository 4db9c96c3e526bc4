"""The parts of Chat Completions that the gateway reads. Everything else passes as the bytes it came in.

Source: OpenAI API reference, "Chat Completions" and "Streaming"; the leniencies are what compatible upstreams do.
"""

import msgspec

from freetheai_gateway.domain.usage import Usage, token_count
from freetheai_gateway.jsonc import Decoder, Raw

ABSENT = Raw()
"""A raw field that is not there; a union of `Raw` and `None` can't be decoded."""


class InputDetails(msgspec.Struct):
    """`prompt_tokens_details`."""

    cached_tokens: int | None = None


class OutputDetails(msgspec.Struct):
    """`completion_tokens_details`."""

    reasoning_tokens: int | None = None


class UsageWire(msgspec.Struct):
    """`usage`; `prompt_tokens` includes cached ones, `completion_tokens` includes reasoning."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: InputDetails | None = None
    completion_tokens_details: OutputDetails | None = None

    def to_usage(self) -> Usage:
        """Read as neutral usage; absent and negative counts are 0."""
        prompt, completion = self.prompt_tokens_details, self.completion_tokens_details
        return Usage(
            input_tokens=token_count(self.prompt_tokens),
            output_tokens=token_count(self.completion_tokens),
            cached_tokens=token_count(prompt.cached_tokens if prompt is not None else 0),
            reasoning_tokens=token_count(completion.reasoning_tokens if completion is not None else 0),
        )


class Message(msgspec.Struct):
    """A message or a delta: only whether it holds content matters here."""

    content: Raw = ABSENT
    refusal: Raw = ABSENT
    reasoning_content: Raw = ABSENT
    reasoning: Raw = ABSENT
    tool_calls: Raw = ABSENT
    function_call: Raw = ABSENT
    audio: Raw = ABSENT

    def has_content(self) -> bool:
        """Whether any field holds something that a person or a tool would use."""
        if bytes(self.content) not in _EMPTY:
            return True
        others = (
            self.tool_calls,
            self.reasoning_content,
            self.reasoning,
            self.refusal,
            self.function_call,
            self.audio,
        )
        return any(bytes(field) not in _EMPTY for field in others)


_EMPTY = frozenset({b"", b'""', b"null", b"[]", b"{}"})


class Choice(msgspec.Struct):
    """A choice of a whole reply or of a chunk; some upstreams send neither message nor delta."""

    message: Message | None = None
    delta: Message | None = None
    finish_reason: str | None = None


class Reply(msgspec.Struct):
    """A whole reply or one chunk."""

    model: str | None = None
    choices: list[Choice] | None = None
    usage: UsageWire | None = None
    error: Raw = ABSENT

    def failed(self) -> bool:
        """Whether the upstream reports an error here, by the rule of the official SDK: any truthy `error`."""
        return bytes(self.error) not in FALSY

    def has_content(self) -> bool:
        """Whether any choice holds content."""
        return any((part := choice.message or choice.delta) and part.has_content() for choice in self.choices or ())


FALSY = frozenset({b"", b"null", b"false", b"0", b'""', b"[]", b"{}"})

decode_reply: Decoder[Reply] = Decoder(Reply)
