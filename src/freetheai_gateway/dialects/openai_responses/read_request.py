"""A client's request, read into the neutral model.

Stateless: `previous_response_id`, `conversation`, `background: true` and `store: true` are refused in words that say
what to do instead. Absent, null and `false` mean the same here, so that SDK defaults and Codex (`store: false`) pass.
"""

from collections.abc import Callable, Mapping

from freetheai_gateway.dialects.openai_responses.fields import (
    native_of,
    optional_bool,
    optional_float,
    optional_int,
    optional_object,
    optional_str,
    read_entry,
    require_entries,
    take_bool,
    take_object,
    take_str,
)
from freetheai_gateway.dialects.openai_responses.marks import INPUT, INSTRUCTIONS
from freetheai_gateway.dialects.openai_responses.read_items import ItemReader
from freetheai_gateway.dialects.openai_responses.read_tools import read_tool_choice, read_tools
from freetheai_gateway.dialects.openai_responses.reasoning import OWN
from freetheai_gateway.dialects.openai_responses.turns import Turns
from freetheai_gateway.dialects.raw_fields import kind_of, read_flag, read_model, read_object
from freetheai_gateway.domain.conversation import (
    Conversation,
    OutputFormat,
    OutputKind,
    Reasoning,
    Role,
    Sampling,
    Text,
)
from freetheai_gateway.errors import InvalidRequest
from freetheai_gateway.jsonc import Fields, Raw, encode_raw

_TRUE = Raw(b"true")
_SAYS_NOTHING = frozenset({b"null", b"false"})
"""Values that a field may have only for show: kept for the same dialect, never named as dropped."""

_NO_STORE = "this server stores no conversations"


def _is_given(value: Raw) -> bool:
    return bytes(value) not in {b"null", b"false", b'""'}


_REFUSED: Mapping[str, tuple[Callable[[Raw], bool], str]] = {
    "previous_response_id": (_is_given, f"{{}} is not supported: {_NO_STORE}. Send the whole input."),
    "conversation": (_is_given, f"{{}} is not supported: {_NO_STORE}. Send the whole input."),
    "store": (_is_given, f"{{}}: true is not supported: {_NO_STORE}. Leave store out or send false."),
    "background": (_is_given, f"{{}}: true is not supported: {_NO_STORE}. Use stream: true for long answers."),
}


def require_stateless(fields: Mapping[str, Raw]) -> None:
    """Refuse what needs a memory between requests. Raises `InvalidRequest`."""
    for name, (is_asked, words) in _REFUSED.items():
        value = fields.get(name)
        if value is not None and is_asked(value):
            raise InvalidRequest(words.format(name), param=name)


def require_input(fields: Mapping[str, Raw]) -> Raw | None:
    """Check `input`, a string or an array; it may be absent where a prompt template is named."""
    value = fields.get("input")
    if value is None or bytes(value) == b"null":
        if bytes(fields.get("prompt", b"null")) != b"null":
            return None
        raise InvalidRequest("Missing required field: input.", code="missing_required_parameter", param="input")
    kind = bytes(value)[:1]
    if kind not in {b'"', b"["}:
        raise InvalidRequest(
            f"input must be a string or an array, got {kind_of(value)}.", code="invalid_type", param="input"
        )
    if kind == b"[" and not bytes(value)[1:-1].strip():
        raise InvalidRequest("input is empty; at least one item is needed.", param="input")
    return value


def parse(body: bytes) -> Conversation:
    """Read a request. Raises `InvalidRequest`."""
    fields = read_object(body)
    model = read_model(fields)
    require_stateless(fields)
    value = require_input(fields)
    streamed = read_flag(fields, "stream")
    known = ("model", "input", *_REFUSED)
    spelling = {name: raw for name, raw in fields.items() if bytes(raw) in _SAYS_NOTHING}
    rest = {name: raw for name, raw in fields.items() if name not in known and bytes(raw) != b"null"}
    rest.pop("stream", None)

    turns = Turns()
    instructions = optional_str(rest, "instructions")
    if instructions is not None:
        turns.message(Role.SYSTEM, [Text(instructions, as_plain=True)], {INSTRUCTIONS: _TRUE})
    items = ItemReader(turns)
    if value is not None:
        _read_input(value, turns, items)
    named = rest.pop("tools", None)
    if named is not None:
        spelling["tools"] = named
    tools = [*(read_tools(require_entries(named, "tools")) if named is not None else ()), *items.tools]
    choice = rest.get("tool_choice")
    tool_choice = read_tool_choice(choice, tools) if choice is not None else None
    if tool_choice is not None:
        del rest["tool_choice"]
    output, verbosity = _read_text(rest, spelling)
    return Conversation(
        model=model,
        turns=turns.closed(),
        tools=tuple(tools),
        tool_choice=tool_choice,
        parallel_tool_calls=optional_bool(rest, "parallel_tool_calls"),
        output=output,
        verbosity=verbosity,
        reasoning=_read_reasoning(rest, spelling),
        sampling=Sampling(
            max_tokens=optional_int(rest, "max_output_tokens"),
            temperature=optional_float(rest, "temperature"),
            top_p=optional_float(rest, "top_p"),
        ),
        user=optional_str(rest, "user"),
        streamed=streamed,
        native=native_of(rest),
        dialect=OWN,
        spelling={name: raw for name, raw in spelling.items() if name not in rest},
    )


def _read_input(value: Raw, turns: Turns, items: ItemReader) -> None:
    if bytes(value).startswith(b'"'):
        text = optional_str({"input": value}, "input") or ""
        turns.message(Role.USER, [Text(text, as_plain=True)], {INPUT: _TRUE})
    else:
        items.read(require_entries(value, "input"))


def _read_text(rest: Fields, spelling: Fields) -> tuple[OutputFormat | None, str | None]:
    """Take `text` apart; what is left of it stays under its name."""
    text = optional_object(rest, "text")
    if text is None:
        return None, None
    verbosity, output = take_str(text, "verbosity"), None
    form = text.get("format")
    fields = read_entry(form) if form is not None else None
    if fields is not None:
        output = _read_format(fields)
    if output is not None:
        del text["format"]
        if fields:
            text["format"] = encode_raw(fields)
    _leave("text", text, rest, spelling)
    return output, verbosity


def _read_format(fields: Fields) -> OutputFormat | None:
    """Read a format; its fields are taken only where it is a documented one."""
    kind = bytes(fields.get("type", b""))
    if kind in {b'"text"', b'"json_object"'}:
        del fields["type"]
        return OutputFormat(OutputKind.TEXT if kind == b'"text"' else OutputKind.JSON)
    if kind != b'"json_schema"':
        return None
    inner = take_object(fields, "json_schema")
    if inner is not None:  # Chat Completions' form, a frequent mistake
        fields.update(inner)
    schema = fields.pop("schema", None)
    if schema is None or not bytes(schema).startswith(b"{"):
        raise InvalidRequest("text.format.schema must be an object.", code="invalid_type", param="text.format.schema")
    del fields["type"]
    return OutputFormat(
        OutputKind.JSON_SCHEMA,
        schema=schema,
        name=take_str(fields, "name"),
        description=take_str(fields, "description"),
        strict=take_bool(fields, "strict"),
    )


def _read_reasoning(rest: Fields, spelling: Fields) -> Reasoning:
    reasoning = optional_object(rest, "reasoning")
    if reasoning is None:
        return Reasoning()
    effort, summary = take_str(reasoning, "effort"), take_str(reasoning, "summary")
    _leave("reasoning", reasoning, rest, spelling)
    return Reasoning(effort=effort, summary=summary)


def _leave(name: str, left: Fields, rest: Fields, spelling: Fields) -> None:
    """Keep what is left of an object under its name; where that says nothing, as a matter of spelling."""
    if all(bytes(value) == b"null" for value in left.values()):
        spelling[name] = encode_raw(left)
    else:
        rest[name] = encode_raw(left)
