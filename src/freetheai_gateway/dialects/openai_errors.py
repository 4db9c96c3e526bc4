"""The error envelope of design section 5, which is OpenAI's with more keys: for every dialect of that vendor."""

from freetheai_gateway.errors import GatewayError, whole_seconds
from freetheai_gateway.jsonc import encode


def error_object(error: GatewayError, request_id: str) -> dict[str, object]:
    """Build the object under `error`."""
    body: dict[str, object] = {
        "message": error.message,
        "type": error.type,
        "code": error.code,
        "param": error.param,
        **error.details,
    }
    if error.retry_after_s is not None:
        body["retry_after_s"] = whole_seconds(error.retry_after_s)
    body["request_id"] = request_id
    return body


def render_error(error: GatewayError, request_id: str) -> bytes:
    """Render as the body of an HTTP error."""
    return encode({"error": error_object(error, request_id)})
