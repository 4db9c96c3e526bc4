"""A client's Messages request, read into a neutral conversation."""

from collections.abc import Callable

from freetheai_gateway.dialects.anthropic_messages.json_values import (
    is_absent,
    list_at,
    object_at,
    optional_bool,
    optional_float,
    optional_int,
    optional_object,
    optional_strings,
    pop_str,
    required_str,
    str_at,
)
from freetheai_gateway.dialects.anthropic_messages.name import MESSAGES
from freetheai_gateway.dialects.anthropic_messages.read_blocks import WHOLE, read_block, read_cache, read_content
from freetheai_gateway.dialects.anthropic_messages.write_options import write_options
from freetheai_gateway.dialects.raw_fields import read_model, read_object, require_list
from freetheai_gateway.domain.conversation import (
    Conversation,
    Opaque,
    OutputFormat,
    OutputKind,
    Part,
    Reasoning,
    Role,
    Sampling,
    Text,
    Tool,
    ToolChoice,
    ToolMode,
    Turn,
    VendorTool,
)
from freetheai_gateway.errors import InvalidRequest
from freetheai_gateway.jsonc import Fields, Raw, decode_any, encode

ATTRIBUTION = "x-anthropic-billing-header:"
"""How the line begins that Claude Code puts before its system prompt. It changes with every request: behind an
upstream that does not expect it, it would spoil the prompt cache."""

_TOLD = ("system", "tools", "output_format")
"""What of these is left after reading was told in neutral form already, or was empty."""

_MODES = {"auto": ToolMode.AUTO, "any": ToolMode.REQUIRED, "tool": ToolMode.REQUIRED, "none": ToolMode.NONE}


def read_request(body: bytes) -> Conversation:
    """Read a request body; raises `InvalidRequest`, which names the field."""
    fields = read_object(body)
    model = read_model(fields)
    require_list(fields, "messages")
    del fields["model"]
    system = _system_turns(fields)
    messages = list_at(fields.pop("messages"), "messages")
    turns = tuple(read_turn(message, f"messages[{index}]") for index, message in enumerate(messages))
    tools = _tools(fields)
    return _with_options(model, (*system, *turns), tools, fields)


def _with_options(
    model: str, turns: tuple[Turn, ...], tools: tuple[Tool | VendorTool, ...], fields: Fields
) -> Conversation:
    """Read everything else. What the neutral values do not say exactly as it came is kept in `spelling` too."""
    rest = dict(fields)
    spelling = {name: rest.pop(name) for name in _TOLD if name in rest}
    choice, parallel = _tool_choice(rest)
    output_config = optional_object(rest, "output_config") or {}
    conversation = Conversation(
        model=model,
        turns=turns,
        tools=tools,
        tool_choice=choice,
        parallel_tool_calls=parallel,
        output=_output(output_config.get("format")) or _output(spelling.get("output_format")),
        reasoning=_reasoning(rest, output_config),
        sampling=Sampling(
            max_tokens=optional_int(rest, "max_tokens"),
            temperature=optional_float(rest, "temperature"),
            top_p=optional_float(rest, "top_p"),
            top_k=optional_int(rest, "top_k"),
            stop=optional_strings(rest, "stop_sequences"),
        ),
        user=_user(rest),
        streamed=optional_bool(rest, "stream") or False,
        native=rest,
        spelling=spelling,
        dialect=MESSAGES,
    )
    said = write_options(conversation)
    unsaid = {name for name, value in fields.items() if name not in rest and not _says(said.get(name), value)}
    spelling.update({name: fields[name] for name in unsaid})
    return conversation


def _says(written: object, value: Raw) -> bool:
    return written is not None and decode_any(encode(written)) == decode_any(value)


# --- turns ----------------------------------------------------------------------------------------------------


def _system_turns(fields: Fields) -> tuple[Turn, ...]:
    value = fields.get("system")
    if value is None or is_absent(value):
        return ()
    if bytes(value).startswith(b'"'):
        text = str_at(value, "system")
        own = _without_attribution(text)
        if own == text:
            del fields["system"]
        return (Turn(Role.SYSTEM, (Text(own, as_plain=True),)),) if own else ()
    parts = tuple(_system_part(block, f"system[{at}]") for at, block in enumerate(list_at(value, "system")))
    if parts:
        del fields["system"]
    return (Turn(Role.SYSTEM, parts),) if parts else ()


def _without_attribution(text: str) -> str:
    return text.partition("\n")[2].lstrip("\n") if text.startswith(ATTRIBUTION) else text


def _system_part(raw: Raw, where: str) -> Part:
    """Keep the attribution for Anthropic only; text that follows it in the same block is for everyone."""
    part = read_block(raw, where)
    if not isinstance(part, Text) or not part.text.startswith(ATTRIBUTION):
        return part
    rest = _without_attribution(part.text)
    return Text(rest, part.cache, native={WHOLE: raw}) if rest else Opaque(MESSAGES, "attribution", raw)


_ROLES = {"user": Role.USER, "assistant": Role.ASSISTANT, "system": Role.SYSTEM}


def read_turn(message: Raw, where: str) -> Turn:
    """Read one message; `where` names it in errors. Raises `InvalidRequest`."""
    fields = object_at(message, where)
    name = required_str(fields, "role", where)
    role = _ROLES.get(name)
    if role is None:
        place = f"{where}.role"
        raise InvalidRequest(f"{place} must be one of user, assistant, system.", code="invalid_value", param=place)
    content = fields.pop("content", None)
    if content is None:
        place = f"{where}.content"
        raise InvalidRequest(f"Missing required field: {place}.", code="missing_required_parameter", param=place)
    return Turn(role, read_content(content, f"{where}.content"), native=fields)


# --- tools ----------------------------------------------------------------------------------------------------


def _tools(fields: Fields) -> tuple[Tool | VendorTool, ...]:
    value = fields.get("tools")
    if value is None or is_absent(value):
        return ()
    tools = tuple(_tool(entry, f"tools[{index}]") for index, entry in enumerate(list_at(value, "tools")))
    if tools:
        del fields["tools"]
    return tools


def _tool(raw: Raw, where: str) -> Tool | VendorTool:
    fields = object_at(raw, where)
    kind = fields.get("type")
    if kind is not None and not is_absent(kind):
        name = str_at(kind, f"{where}.type")
        if name != "custom":
            return VendorTool(MESSAGES, name, raw)
    strict = fields.get("strict")
    is_said = strict is not None and bytes(strict) in {b"true", b"false"}
    if is_said:
        del fields["strict"]
    return Tool(
        name=required_str(fields, "name", where),
        description=pop_str(fields, "description"),
        schema=fields.pop("input_schema", None),
        strict=bytes(strict) == b"true" if strict is not None and is_said else None,
        cache=read_cache(fields),
        native=fields,
    )


def _tool_choice(fields: Fields) -> tuple[ToolChoice | None, bool | None]:
    choice = optional_object(fields, "tool_choice")
    if choice is None:
        return None, None
    kind = required_str(choice, "type", "tool_choice")
    mode = _MODES.get(kind)
    if mode is None:
        raise InvalidRequest(
            "tool_choice.type must be one of auto, any, tool, none.", code="invalid_value", param="tool_choice.type"
        )
    names = (required_str(choice, "name", "tool_choice"),) if kind == "tool" else ()
    is_single = bytes(choice.get("disable_parallel_tool_use", Raw(b""))) == b"true"
    return ToolChoice(mode, names), False if is_single else None


# --- output and reasoning -------------------------------------------------------------------------------------


def _output(value: Raw | None) -> OutputFormat | None:
    if value is None or is_absent(value):
        return None
    form = object_at(value, "output_config.format")
    if pop_str(form, "type") != "json_schema" or "schema" not in form:
        return None
    return OutputFormat(OutputKind.JSON_SCHEMA, form["schema"])


_THINKING: dict[str, Callable[[int | None, str | None], Reasoning]] = {
    "enabled": lambda budget, display: Reasoning(enabled=True, budget_tokens=budget, summary=display),
    "adaptive": lambda _budget, display: Reasoning(enabled=True, adaptive=True, summary=display),
    "disabled": lambda _budget, _display: Reasoning(enabled=False),
}


def _reasoning(fields: Fields, output_config: Fields) -> Reasoning:
    effort = pop_str(dict(output_config), "effort")
    thinking = optional_object(fields, "thinking")
    if thinking is None:
        return Reasoning(effort=effort)
    kind = required_str(thinking, "type", "thinking")
    display = pop_str(thinking, "display")
    known = _THINKING.get(kind)
    found = known(optional_int(thinking, "budget_tokens"), display) if known else Reasoning(enabled=True, adaptive=True)
    return Reasoning(effort, found.budget_tokens, found.enabled, found.adaptive, found.summary)


def _user(fields: Fields) -> str | None:
    return pop_str(optional_object(fields, "metadata") or {}, "user_id")
