"""A client's chat request as a conversation.

What has a neutral meaning is read into it. Where the dialect has several ways to say the same (`stop` as a string,
`max_tokens` or `max_completion_tokens`, a null for "not set", legacy `functions`), the client's own bytes are kept
as `spelling`; what has no neutral meaning is kept as `native`.
"""

from freetheai_gateway.dialects.openai_chat.fields import FieldReader, is_nothing, wrong_type
from freetheai_gateway.dialects.openai_chat.parse_messages import parse_messages
from freetheai_gateway.dialects.openai_chat.parse_tools import (
    parse_function_choice,
    parse_functions,
    parse_tool_choice,
    parse_tools,
)
from freetheai_gateway.dialects.openai_chat.reasoning import OWN
from freetheai_gateway.dialects.raw_fields import read_flag, read_model, read_object, require_list
from freetheai_gateway.domain.conversation import (
    Conversation,
    OutputFormat,
    OutputKind,
    Reasoning,
    Sampling,
    Tool,
    ToolChoice,
    VendorTool,
)
from freetheai_gateway.jsonc import Decoder, Fields, InvalidJSON, decode_str

_FORMATS = {"text": OutputKind.TEXT, "json_object": OutputKind.JSON, "json_schema": OutputKind.JSON_SCHEMA}
_SPELLED = (
    "max_completion_tokens",
    "response_format",
    "reasoning_effort",
    "reasoning",
    "thinking",
    "top_k",
    "user",
    "safety_identifier",
    "functions",
    "function_call",
    "stream",
    "stream_options",
)
"""Fields whose bytes are kept beside their meaning."""

_decode_texts: Decoder[list[str]] = Decoder(list[str])


def parse(body: bytes) -> Conversation:
    """Read a request. Raises `InvalidRequest`."""
    fields = read_object(body)
    model = read_model(fields)
    require_list(fields, "messages")
    streamed = read_flag(fields, "stream")
    spelling = {name: fields[name] for name in _SPELLED if name in fields}
    reader = FieldReader({name: value for name, value in fields.items() if name not in {"model", "stream"}})
    return Conversation(
        model=model,
        turns=parse_messages(reader.items("messages") or []),
        tools=_tools(reader),
        tool_choice=_tool_choice(reader),
        parallel_tool_calls=reader.flag("parallel_tool_calls"),
        output=_output(reader),
        verbosity=reader.text("verbosity"),
        reasoning=_reasoning(reader),
        sampling=_sampling(reader, spelling),
        user=_user(reader),
        streamed=streamed,
        usage_asked=_usage_asked(reader) and streamed,
        native=_native(reader, spelling),
        dialect=OWN,
        spelling=spelling,
    )


def _native(reader: FieldReader, spelling: Fields) -> Fields:
    """Take what is left over; fields that say nothing are only a matter of spelling."""
    native = {}
    for name, value in reader.rest().items():
        if is_nothing(value):
            spelling[name] = value
        else:
            native[name] = value
    return native


def _tools(reader: FieldReader) -> tuple[Tool | VendorTool, ...]:
    return (*parse_tools(reader.items("tools") or []), *parse_functions(reader.items("functions") or []))


def _tool_choice(reader: FieldReader) -> ToolChoice | None:
    choice, legacy = reader.raw("tool_choice"), reader.raw("function_call")
    if choice is not None:
        return parse_tool_choice(choice)
    return None if legacy is None else parse_function_choice(legacy)


def _output(reader: FieldReader) -> OutputFormat | None:
    form = reader.object("response_format")
    if form is None:
        return None
    kind = _FORMATS.get(form.text("type") or "")
    if kind is None:  # a grammar, or what else one server knows: its bytes are kept as spelling
        return None
    if kind is not OutputKind.JSON_SCHEMA:
        return OutputFormat(kind)
    schema = form.object("json_schema")
    form.require("json_schema", schema)
    assert schema is not None
    return OutputFormat(
        kind, schema.raw("schema"), schema.text("name"), schema.text("description"), schema.flag("strict")
    )


def _reasoning(reader: FieldReader) -> Reasoning:
    """Read `reasoning_effort`, and the objects that OpenRouter (`reasoning`) and Z.ai (`thinking`) take."""
    effort = reader.text("reasoning_effort")
    budget: int | None = None
    enabled: bool | None = None
    if reader.kind("reasoning") == "{" and (wish := reader.object("reasoning")) is not None:
        effort = effort or wish.text("effort")
        budget, enabled = wish.integer("max_tokens"), wish.flag("enabled")
    if reader.kind("thinking") == "{" and (thinking := reader.object("thinking")) is not None:
        kind = thinking.text("type")
        budget = thinking.integer("budget_tokens") or budget
        enabled = {"enabled": True, "adaptive": True, "disabled": False}.get(kind or "", enabled)
    if effort == "none":
        enabled = False
    return Reasoning(effort, budget, enabled)


def _sampling(reader: FieldReader, spelling: Fields) -> Sampling:
    new_cap, old_cap = reader.integer("max_completion_tokens"), reader.integer("max_tokens")
    return Sampling(
        max_tokens=old_cap if new_cap is None else new_cap,
        temperature=reader.number("temperature"),
        top_p=reader.number("top_p"),
        top_k=reader.integer("top_k"),
        stop=_stop(reader, spelling),
        seed=reader.integer("seed"),
        presence_penalty=reader.number("presence_penalty"),
        frequency_penalty=reader.number("frequency_penalty"),
        choices=reader.integer("n"),
        logprobs=reader.flag("logprobs"),
        top_logprobs=reader.integer("top_logprobs"),
        logit_bias=reader.raw("logit_bias"),
    )


def _stop(reader: FieldReader, spelling: Fields) -> tuple[str, ...]:
    value = reader.raw("stop")
    if value is None:
        return ()
    if bytes(value).startswith(b'"'):
        spelling["stop"] = value
        return (decode_str(value),)
    try:
        stop = tuple(_decode_texts(value))
    except InvalidJSON:
        raise wrong_type("stop", "a string or an array of strings", value) from None
    if not stop:
        spelling["stop"] = value
    return stop


def _user(reader: FieldReader) -> str | None:
    user, safety_identifier = reader.text("user"), reader.text("safety_identifier")
    return safety_identifier if user is None else user


def _usage_asked(reader: FieldReader) -> bool:
    """Read `stream_options`; anything but an object counts as absent, as it does in the raw lane."""
    options = reader.object("stream_options") if reader.kind("stream_options") == "{" else None
    return options is not None and bytes(options.raw("include_usage") or b"") == b"true"
