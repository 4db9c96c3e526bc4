"""A folded reply as a whole chat completion for a client."""

from freetheai_gateway.dialects.openai_chat.client_view import (
    NO_ARGUMENTS,
    Json,
    call_object,
    completion_id,
    custom_names,
    is_legacy,
    usage_object,
)
from freetheai_gateway.dialects.openai_chat.finish_reasons import write_finish
from freetheai_gateway.dialects.openai_chat.reasoning import OWN, detail_of
from freetheai_gateway.dialects.protocol import ClientView
from freetheai_gateway.domain.conversation import (
    RedactedThinking,
    Refusal,
    Text,
    Thinking,
    ToolCall,
    ToolKind,
)
from freetheai_gateway.domain.events import Reply, ToolCallStarted
from freetheai_gateway.domain.usage import Usage
from freetheai_gateway.jsonc import encode


def render_whole(reply: Reply, view: ClientView) -> bytes:
    """Write a whole reply."""
    legacy = is_legacy(view.request)
    calls = [part for part in reply.parts if isinstance(part, ToolCall)]
    choice = {
        "index": 0,
        "message": _message(reply, calls, view, legacy=legacy),
        "logprobs": None,
        "finish_reason": write_finish(reply.finished.reason, called=bool(calls), legacy=legacy),
    }
    usage = reply.usage if reply.usage != Usage() else Usage(view.input_tokens_estimate)
    return encode(
        {
            "id": completion_id(view),
            "object": "chat.completion",
            "created": view.created,
            "model": view.alias,
            "choices": [choice],
            "usage": usage_object(usage, reply.cache_written_tokens),
        }
    )


def _message(reply: Reply, calls: list[ToolCall], view: ClientView, *, legacy: bool) -> Json:
    text = "".join(part.text for part in reply.parts if isinstance(part, Text))
    refusal = "".join(part.text for part in reply.parts if isinstance(part, Refusal)) or None
    says_nothing = not calls and refusal is None
    message: Json = {"role": "assistant", "content": text or ("" if says_nothing else None), "refusal": refusal}
    message |= _reasoning(reply)
    if calls and legacy:
        message["function_call"] = {"name": calls[0].name, "arguments": calls[0].arguments or NO_ARGUMENTS}
    elif calls:
        custom = custom_names(view.request)
        message["tool_calls"] = [_call(call, custom) for call in calls]
    return message


def _call(call: ToolCall, custom: frozenset[str]) -> Json:
    wrapped = call.kind is ToolKind.FUNCTION and call.name in custom
    arguments = call.arguments if call.kind is ToolKind.CUSTOM else call.arguments or NO_ARGUMENTS
    start = ToolCallStarted(call.id, call.name, call.kind, call.namespace, call.signature)
    return call_object(start, arguments, wrapped=wrapped)


def _reasoning(reply: Reply) -> Json:
    thinking = [part for part in reply.parts if isinstance(part, Thinking | RedactedThinking)]
    written: Json = {}
    text = "".join(part.text for part in thinking if isinstance(part, Thinking))
    if text:
        written["reasoning_content"] = text
    if any(_needs_details(part) for part in thinking):
        written["reasoning_details"] = [detail_of(part, place, minted=True) for place, part in enumerate(thinking)]
    return written


def _needs_details(part: Thinking | RedactedThinking) -> bool:
    return isinstance(part, RedactedThinking) or part.signature is not None or part.vendor not in {"", OWN}
