"""How a Responses stream says that it failed: `response.failed`, the only form that all clients understand.

The event is made without knowing what was sent before, so that it holds a whole `Response` with an empty output.
Its id is that of the reply, for accumulators of the SDK insist on one id: the upstream's in the raw lane, else the
request id without its prefix, as in `ClientView.reply_id`. Its sequence number is larger than any that a stream can
have reached.
"""

from freetheai_gateway.dialects.openai_errors import error_object, render_error
from freetheai_gateway.errors import GatewayError, LimitExceeded
from freetheai_gateway.jsonc import encode

__all__ = ["AFTER_ALL_SEQUENCE_NUMBERS", "render_error", "render_stream_error"]

AFTER_ALL_SEQUENCE_NUMBERS = 1_000_000_000

_LIMIT_CODE = "rate_limit_exceeded"
"""The code that clients know limits by, whichever of our limits it was."""


def render_stream_error(error: GatewayError, request_id: str, reply_id: str = "") -> bytes:
    """Render as the last event of a stream."""
    body = error_object(error, request_id)
    if isinstance(error, LimitExceeded):
        body["code"] = _LIMIT_CODE
    response = {
        "id": reply_id or f"resp_{request_id.removeprefix('req_')}",
        "object": "response",
        "created_at": 0,
        "status": "failed",
        "error": body,
        "incomplete_details": None,
        "instructions": None,
        "max_output_tokens": None,
        "metadata": {},
        "model": "",
        "output": [],
        "parallel_tool_calls": True,
        "previous_response_id": None,
        "store": False,
        "temperature": None,
        "tool_choice": "auto",
        "tools": [],
        "top_p": None,
        "usage": None,
    }
    event = {
        "type": "response.failed",
        "sequence_number": AFTER_ALL_SEQUENCE_NUMBERS,
        "response": response,
    }
    return b"event: response.failed\ndata: " + encode(event) + b"\n\n"
