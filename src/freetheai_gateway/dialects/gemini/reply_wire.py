"""The parts of a `generateContent` reply that are read; unknown fields are skipped. Source: Gemini API reference."""

import msgspec

from freetheai_gateway.domain.usage import Usage, token_count
from freetheai_gateway.jsonc import Raw, ReplyDecoder

ABSENT = Raw(b"")


class FunctionCall(msgspec.Struct, gc=False):
    """A call; `args` is whole."""

    id: str | None = None
    name: str | None = None
    args: Raw = ABSENT


class ReplyPart(msgspec.Struct, gc=False, rename="camel"):
    """Text, a thought, or a call; each may carry a signature. Parts of other kinds have none of these fields."""

    text: str | None = None
    thought: bool | None = None
    thought_signature: str | None = None
    function_call: FunctionCall | None = None


class ReplyContent(msgspec.Struct, gc=False):
    """What a candidate says; `parts` may be missing."""

    parts: list[ReplyPart] | None = None


class Candidate(msgspec.Struct, gc=False, rename="camel"):
    """One answer; the first has index 0 or none."""

    content: ReplyContent | None = None
    finish_reason: str | None = None
    index: int | None = None


class PromptFeedback(msgspec.Struct, gc=False, rename="camel"):
    """Says why a prompt was not answered."""

    block_reason: str | None = None


class UsageMetadata(msgspec.Struct, gc=False, rename="camel"):
    """Token counts; in a stream of everything so far."""

    prompt_token_count: object = None
    cached_content_token_count: object = None
    tool_use_prompt_token_count: object = None
    candidates_token_count: object = None
    thoughts_token_count: object = None

    def neutral(self) -> Usage:
        """Count as we do: input with cached, output with reasoning."""
        thoughts = token_count(self.thoughts_token_count)
        return Usage(
            input_tokens=token_count(self.prompt_token_count) + token_count(self.tool_use_prompt_token_count),
            output_tokens=token_count(self.candidates_token_count) + thoughts,
            cached_tokens=token_count(self.cached_content_token_count),
            reasoning_tokens=thoughts,
        )


class Chunk(msgspec.Struct, gc=False, rename="camel"):
    """A whole reply, or a piece of a streamed one: their form is the same."""

    candidates: list[Candidate] | None = None
    usage_metadata: UsageMetadata | None = None
    prompt_feedback: PromptFeedback | None = None
    response_id: str | None = None
    model_version: str | None = None
    error: Raw = ABSENT

    @property
    def is_error(self) -> bool:
        """Whether it reports a failure instead."""
        return bytes(self.error) not in {b"", b"null"}

    def first_candidate(self) -> Candidate | None:
        """Find the one answer that is followed."""
        return next((found for found in self.candidates or () if not found.index), None)


_Chunks = Chunk | list[Chunk]
_decode: ReplyDecoder[Chunk | list[Chunk]] = ReplyDecoder(_Chunks)  # type: ignore[arg-type]


def decode_chunks(data: bytes) -> list[Chunk]:
    """Decode a reply, or an array of chunks (a stream that was not asked for as events). Raises `InvalidJSON`."""
    found = _decode(data)
    return found if isinstance(found, list) else [found]
