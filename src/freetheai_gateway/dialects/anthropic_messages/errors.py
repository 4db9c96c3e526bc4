"""Anthropic's error envelope; our rule name, limits and waits stand under `details` (design section 5)."""

import re

from freetheai_gateway.errors import ContextLengthExceeded, GatewayError, whole_seconds
from freetheai_gateway.jsonc import encode

_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    405: "invalid_request_error",
    408: "invalid_request_error",
    413: "request_too_large",
    429: "rate_limit_error",
    431: "request_too_large",
    500: "api_error",
    502: "api_error",
    503: "overloaded_error",
    504: "timeout_error",
}

_TOO_LONG = "prompt is too long"
_MAXIMUM = re.compile(
    r"(?:maximum(?: context length)?(?: is|:)?|context (?:size|length|window)|allowed)[^\d.]{0,20}(\d+)", re.IGNORECASE
)
_ASKED = re.compile(r"(?:resulted in|requested|token count|request|prompt)[^\d.]{0,30}(\d+)", re.IGNORECASE)


def render_error(error: GatewayError, request_id: str) -> bytes:
    """Render as the body of an HTTP error."""
    details: dict[str, object] = {"error_code": error.code, **error.details}
    if error.param is not None:
        details["param"] = error.param
    if error.retry_after_s is not None:
        details["retry_after_s"] = whole_seconds(error.retry_after_s)
    inner = {"type": _TYPES.get(error.status, "api_error"), "message": _message(error), "details": details}
    return encode({"type": "error", "error": inner, "request_id": request_id})


def render_stream_error(error: GatewayError, request_id: str, reply_id: str = "") -> bytes:
    """Render as `event: error`, after which nothing follows."""
    del reply_id
    return b"event: error\ndata: " + render_error(error, request_id) + b"\n\n"


def _message(error: GatewayError) -> str:
    """Say a full context in the words by which Claude Code knows that it must compact the conversation."""
    if not isinstance(error, ContextLengthExceeded) or _TOO_LONG in error.message:
        return error.message
    plain = error.message.replace(",", "")
    asked, maximum = _ASKED.search(plain), _MAXIMUM.search(plain)
    if asked and maximum and int(asked[1]) > int(maximum[1]):
        return f"{_TOO_LONG}: {asked[1]} tokens > {maximum[1]} maximum"
    return f"{_TOO_LONG}: {error.message}"
