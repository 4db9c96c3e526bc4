"""What both forms of a reply to a client share: its id, its usage, and how its tool calls are to look."""

from freetheai_gateway.dialects.custom_tools import read_input
from freetheai_gateway.dialects.openai_chat.reasoning import OWN, write_thought
from freetheai_gateway.dialects.protocol import ClientView
from freetheai_gateway.domain.conversation import Conversation, Tool, ToolKind
from freetheai_gateway.domain.events import ToolCallStarted
from freetheai_gateway.domain.usage import Usage

Json = dict[str, object]

NO_ARGUMENTS = "{}"


def completion_id(view: ClientView) -> str:
    """Give the reply's id in this dialect's form."""
    return f"chatcmpl-{view.reply_id}"


def custom_names(request: Conversation) -> frozenset[str]:
    """Name the client's custom tools: their calls come back as functions from upstreams that know no others."""
    return frozenset(tool.name for tool in request.tools if isinstance(tool, Tool) and tool.kind is ToolKind.CUSTOM)


def is_legacy(request: Conversation) -> bool:
    """Whether the client asked with `functions` and so expects `function_call`."""
    functions = bytes(request.spelling.get("functions", b"null"))
    return request.dialect == OWN and functions != b"null" and "tools" not in request.spelling


def call_object(call: ToolCallStarted, text: str, *, wrapped: bool) -> Json:
    """Write a whole call, or with an empty text the beginning of one.

    `wrapped`: the client's tool is a custom one and `text` the JSON arguments that stand for its input.
    """
    written: Json = {"id": call.id, "type": "custom" if wrapped else call.kind.value}
    if wrapped:
        written["custom"] = {"name": call.name, "input": read_input(text)}
    elif call.kind is ToolKind.CUSTOM:
        written["custom"] = {"name": call.name, "input": text}
    else:
        written["function"] = {"name": call.name, "arguments": text}
    if call.signature is not None:
        written["extra_content"] = write_thought(call.signature)
    return written


def usage_object(usage: Usage, cache_written_tokens: int) -> Json:
    """Write usage; what contradicts the totals is cut."""
    return {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.input_tokens + usage.output_tokens,
        "prompt_tokens_details": {
            "cached_tokens": min(usage.cached_tokens, usage.input_tokens),
            "cache_write_tokens": cache_written_tokens,
        },
        "completion_tokens_details": {"reasoning_tokens": min(usage.reasoning_tokens, usage.output_tokens)},
    }
