"""Tools that take free text (OpenAI's custom tools), for upstreams whose tools take JSON: one string called `input`.

The upstream's call comes back as a function call; the renderer of the client's dialect, which knows from the request
that the tool is a custom one, takes the text out again (`read_input`).
"""

from freetheai_gateway.domain.conversation import Tool
from freetheai_gateway.jsonc import Decoder, InvalidJSON, Raw, encode

SCHEMA = Raw(b'{"type":"object","properties":{"input":{"type":"string"}},"required":["input"]}')

_decode_arguments: Decoder[dict[str, object]] = Decoder(dict[str, object])


def description(tool: Tool) -> str:
    """Describe the tool with the form of its text, which the upstream can't enforce."""
    form = "The input is free text."
    if tool.grammar is not None:
        form = f"The input is text that follows this {tool.grammar.syntax} grammar:\n{tool.grammar.definition}"
    return f"{tool.description}\n{form}" if tool.description else form


def as_arguments(text: str) -> str:
    """Wrap free text as the arguments of the function that stands for the tool."""
    return encode({"input": text}).decode()


def read_input(arguments: str) -> str:
    """Take the free text out; arguments of any other form are given as they are."""
    try:
        value = _decode_arguments(arguments)
    except InvalidJSON:
        return arguments
    text = value.get("input")
    return text if isinstance(text, str) else arguments
