"""Small values of a request: a call's arguments as the object they must be, and texts that say something."""

from freetheai_gateway.dialects import custom_tools
from freetheai_gateway.domain.conversation import ToolCall, ToolKind
from freetheai_gateway.jsonc import InvalidJSON, Raw, decode_any, encode, read_fields, write_fields

RAW_ARGUMENTS = "_raw"
"""Holds arguments that are no JSON object."""


def is_visible(text: str) -> bool:
    """Tell whether a text has more than blanks; parts of nothing else are refused."""
    return bool(text) and not text.isspace()


def call_arguments(call: ToolCall) -> Raw:
    """Write arguments as an object."""
    text = call.arguments
    if call.kind is ToolKind.CUSTOM:
        text = custom_tools.as_arguments(_sound(text))
    if not is_visible(text):
        return Raw(b"{}")
    try:
        body = write_fields(read_fields(text.encode(errors="replace")))
        decode_any(body)
    except InvalidJSON:
        return Raw(encode({RAW_ARGUMENTS: _sound(text)}))
    return Raw(body)


def _sound(text: str) -> str:
    return text.encode(errors="replace").decode()
