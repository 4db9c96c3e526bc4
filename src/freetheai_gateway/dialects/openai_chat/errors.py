"""How a Chat Completions stream says that it failed; the envelope is `dialects.openai_errors`."""

from freetheai_gateway.dialects.openai_errors import error_object, render_error
from freetheai_gateway.errors import GatewayError
from freetheai_gateway.jsonc import encode
from freetheai_gateway.sse import data_event

__all__ = ["render_error", "render_stream_error"]


def render_stream_error(error: GatewayError, request_id: str, reply_id: str = "") -> bytes:
    """Render as the last chunk of a stream, which then ends without `[DONE]`.

    SDKs raise on the top-level `error`; plain readers see the finish reason `error`.
    """
    del reply_id
    choices = [{"index": 0, "delta": {}, "finish_reason": "error"}]
    return data_event(encode({"error": error_object(error, request_id), "choices": choices}))
