"""The `Response` object that clients get: its constant part is made once per reply.

Every nullable key that the schema requires is there; settings repeat the request, as OpenAI's server does.
"""

from collections.abc import Sequence

from freetheai_gateway.dialects.openai_responses.event_writer import one_line
from freetheai_gateway.dialects.openai_responses.fields import native_of
from freetheai_gateway.dialects.openai_responses.marks import INSTRUCTIONS
from freetheai_gateway.dialects.openai_responses.write_tools import (
    write_reasoning,
    write_text,
    write_tool_choice,
    write_tools,
)
from freetheai_gateway.dialects.protocol import ClientView
from freetheai_gateway.domain.conversation import Conversation, Text
from freetheai_gateway.domain.events import Finished, StopReason
from freetheai_gateway.domain.usage import Usage
from freetheai_gateway.jsonc import Raw, encode, encode_raw

_REPEATED = ("safety_identifier", "prompt_cache_key", "max_tool_calls", "top_logprobs", "truncation")
_INCOMPLETE = {
    StopReason.LENGTH: "max_output_tokens",
    StopReason.CONTEXT_FULL: "max_output_tokens",
    StopReason.REFUSAL: "content_filter",
}


def incomplete_reason(finished: Finished, *, refused: bool) -> str | None:
    """Say why a reply is incomplete; `None` where it is whole. A refusal that was spelt out is a whole reply."""
    if finished.reason is StopReason.REFUSAL and refused:
        return None
    return _INCOMPLETE.get(finished.reason)


class ResponseObject:
    """Writes the states of one response."""

    __slots__ = ("_head", "_tail", "id")

    def __init__(self, view: ClientView) -> None:
        self.id = f"resp_{view.reply_id}"
        head = {"id": self.id, "object": "response", "created_at": view.created, "model": view.alias}
        self._head = encode(head)[:-1]
        self._tail = one_line(encode(_settings(view.request)))[1:]

    def in_progress(self) -> bytes:
        """Write the state before anything was said."""
        return self._write("in_progress", None, [], None)

    def ended(self, items: Sequence[bytes], incomplete: str | None, usage: Usage, cache_written_tokens: int) -> bytes:
        """Write the end; `items` are encoded."""
        status = "incomplete" if incomplete is not None else "completed"
        return self._write(status, incomplete, items, _usage(usage, cache_written_tokens))

    def _write(self, status: str, incomplete: str | None, items: Sequence[bytes], usage: object) -> bytes:
        state = {
            "status": status,
            "error": None,
            "incomplete_details": {"reason": incomplete} if incomplete is not None else None,
            "output": [Raw(item) for item in items],
            "usage": usage,
        }
        return self._head + b"," + encode(state)[1:-1] + b"," + self._tail


def _usage(usage: Usage, cache_written_tokens: int) -> dict[str, object]:
    return {
        "input_tokens": usage.input_tokens,
        "input_tokens_details": {"cached_tokens": usage.cached_tokens, "cache_write_tokens": cache_written_tokens},
        "output_tokens": usage.output_tokens,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
        "total_tokens": usage.input_tokens + usage.output_tokens,
    }


def _settings(request: Conversation) -> dict[str, object]:
    sampling, parallel, choice = request.sampling, request.parallel_tool_calls, request.tool_choice
    repeated = {name: request.native[name] for name in _REPEATED if name in request.native}
    return {
        "background": False,
        "instructions": _instructions(request),
        "max_output_tokens": sampling.max_tokens,
        "metadata": native_of(request.native).get("metadata", encode_raw({})),
        "parallel_tool_calls": True if parallel is None else parallel,
        "previous_response_id": None,
        "reasoning": {"effort": None, "summary": None} | (write_reasoning(request) or {}),
        "store": False,
        "temperature": sampling.temperature,
        "text": {"format": {"type": "text"}} | (write_text(request) or {}),
        "tool_choice": write_tool_choice(choice, request) if choice is not None else "auto",
        "tools": write_tools(request),
        "top_p": sampling.top_p,
        "truncation": "disabled",
        "user": request.user,
        **repeated,
    }


def _instructions(request: Conversation) -> str | None:
    for turn in request.turns[:1]:
        if INSTRUCTIONS in turn.native:
            return "".join(part.text for part in turn.parts if isinstance(part, Text))
    return None
