"""Options of a request that came in another dialect, put into what the model behind a Messages upstream takes."""

from functools import partial

from freetheai_gateway.dialects import custom_tools
from freetheai_gateway.dialects.anthropic_messages.capabilities import Capabilities
from freetheai_gateway.dialects.anthropic_messages.foreign_schema import output_schema
from freetheai_gateway.dialects.anthropic_messages.write_blocks import Block, cache_control, is_visible
from freetheai_gateway.dialects.anthropic_messages.write_options import write_tool_choice
from freetheai_gateway.dialects.tool_names import flat_name, safe
from freetheai_gateway.dialects.tool_schema import ANY_OBJECT, object_schema
from freetheai_gateway.dialects.unsayable import told
from freetheai_gateway.domain.conversation import (
    Conversation,
    OutputKind,
    Sampling,
    Tool,
    ToolCall,
    ToolKind,
    ToolMode,
)
from freetheai_gateway.errors import InvalidRequest
from freetheai_gateway.jsonc import Raw

_JSON_ONLY = "Answer with a single JSON object and nothing else: no explanation, no code fence."
_JSON_OF_SCHEMA = "Answer with JSON that follows this JSON Schema and nothing else, no code fence:\n"
_UNSAID = ("seed", "presence_penalty", "frequency_penalty", "logit_bias")


def refuse_unsayable(sampling: Sampling) -> None:
    """Raise `InvalidRequest` for what changes the form of the answer and can't be had."""
    for name, is_asked in (
        ("n", (sampling.choices or 1) > 1),
        ("logprobs", bool(sampling.logprobs) or bool(sampling.top_logprobs)),
    ):
        if is_asked:
            raise InvalidRequest(f"This model can't give {name}.", code="invalid_value", param=name)


def name_unsaid(conversation: Conversation, dropped: set[str]) -> None:
    """Name the options that this dialect has no word for."""
    dropped.update(told(conversation.native))
    dropped.update(name for name in _UNSAID if getattr(conversation.sampling, name))
    if conversation.verbosity is not None:
        dropped.add("verbosity")


def write_sampling(sampling: Sampling, capabilities: Capabilities, *, thinks: bool, dropped: set[str]) -> Block:
    """Write temperature and its kin: newer models take none, none is taken with thinking, and never two at once."""
    wanted: Block = {"temperature": sampling.temperature, "top_p": sampling.top_p, "top_k": sampling.top_k}
    wanted = {name: value for name, value in wanted.items() if value is not None}
    kept: Block = {}
    if capabilities.sampling and not thinks:
        kept = dict(wanted)
        if sampling.temperature is not None:
            kept["temperature"] = min(max(sampling.temperature, 0.0), 1.0)
            if capabilities.is_claude:
                kept.pop("top_p", None)
    dropped.update(wanted.keys() - kept.keys())
    if stop := [text for text in sampling.stop if is_visible(text)]:
        kept["stop_sequences"] = stop
    if any(text and not is_visible(text) for text in sampling.stop):
        dropped.add("stop")  # such as a line break, which this API refuses
    return kept


# --- tools ----------------------------------------------------------------------------------------------------


def write_tools(conversation: Conversation, dropped: set[str]) -> Block:
    """Write `tools` and `tool_choice`."""
    tools = _offered(conversation, dropped)
    if tools:
        choice = write_tool_choice(conversation, partial(_sent_name, conversation))
        return {"tools": tools} if choice is None else {"tools": tools, "tool_choice": choice}
    called = _called_names(conversation)
    if not called:
        return {}
    # A history with calls is refused without tools: those that were called are named, and not to be called again.
    return {
        "tools": [{"name": name, "input_schema": ANY_OBJECT} for name in called],
        "tool_choice": {"type": "none"},
    }


def _offered(conversation: Conversation, dropped: set[str]) -> list[Block]:
    choice = conversation.tool_choice
    allowed = choice.names if choice is not None and choice.mode is not ToolMode.NONE else ()
    is_forced = len(allowed) == 1 and choice is not None and choice.mode is ToolMode.REQUIRED
    tools: dict[object, Block] = {}
    for tool in conversation.tools:
        if not isinstance(tool, Tool):
            dropped.add(tool.kind)
        elif is_forced or not allowed or tool.name in allowed:
            written = _tool(tool)
            tools.setdefault(written["name"], written)  # no name may stand twice
    return list(tools.values())


def _tool(tool: Tool) -> Block:
    is_custom = tool.kind is ToolKind.CUSTOM
    written: Block = {"name": safe(flat_name(tool.name, tool.namespace))}
    description = custom_tools.description(tool) if is_custom else tool.description
    if description:
        written["description"] = description
    written["input_schema"] = custom_tools.SCHEMA if is_custom else object_schema(tool.schema)
    if tool.strict:
        written["strict"] = True
    if tool.cache is not None:
        written["cache_control"] = cache_control(tool.cache)
    return written


def _sent_name(conversation: Conversation, name: str) -> str:
    for tool in conversation.tools:
        if isinstance(tool, Tool) and tool.name == name:
            return safe(flat_name(name, tool.namespace))
    return safe(name)


def _called_names(conversation: Conversation) -> list[str]:
    calls = [part for turn in conversation.turns for part in turn.parts if isinstance(part, ToolCall)]
    return list(dict.fromkeys(safe(flat_name(call.name, call.namespace)) for call in calls))


# --- structured output ----------------------------------------------------------------------------------------


def output_format(conversation: Conversation, capabilities: Capabilities) -> Block | None:
    """Write `output_config.format` where the model knows it."""
    output = conversation.output
    if output is None or output.kind is not OutputKind.JSON_SCHEMA or not capabilities.structured_outputs:
        return None
    return {"type": "json_schema", "schema": output_schema(output.schema)}


def output_instruction(conversation: Conversation, capabilities: Capabilities) -> str:
    """Give the words that ask for JSON where the API has no field for it; empty = none are needed."""
    output = conversation.output
    if output is None or output.kind is OutputKind.TEXT:
        return ""
    if output.kind is OutputKind.JSON:
        return _JSON_ONLY
    if capabilities.structured_outputs:
        return ""
    return _JSON_OF_SCHEMA + bytes(output.schema or Raw(b"{}")).decode()
