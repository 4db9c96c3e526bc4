"""Answers that the edge gives itself: to what is no acceptable request, and for an app that failed."""

from collections.abc import Callable, Sequence
from typing import Final

import httptools

from freetheai_gateway.errors import GatewayError, InvalidRequest, ServerError
from freetheai_gateway.log import get_log
from freetheai_gateway.web.edge.response_head import END, render_head

Headers = Sequence[tuple[bytes, bytes]]
RenderError = Callable[[GatewayError, str], tuple[int, Headers, bytes]]
"""Renders an error for a request id: status, headers of the content, body. The edge adds `_OWN` itself."""

_OWN: Final = frozenset({b"date", b"connection", b"content-length", b"x-request-id", b"request-id"})

_log = get_log("edge")


def refusal_of(failed: httptools.HttpParserError) -> GatewayError:
    """Name what the parser met: bytes that are no HTTP, a refusal that our callback raised, or a bug of ours."""
    if not isinstance(failed, httptools.HttpParserCallbackError):
        return InvalidRequest("This is not a valid HTTP/1.1 request.")
    cause = failed.__context__
    if isinstance(cause, GatewayError):
        return cause
    if isinstance(cause, httptools.HttpParserInvalidURLError):
        return InvalidRequest("The target of the request is not a valid path.")
    _log.error("edge_callback_failed", error=type(cause).__name__)
    return ServerError("The gateway failed while it read the request.")


def render_refusal(error: GatewayError, request_id: str, date: Headers, render: RenderError) -> tuple[bytes, bytes]:
    """Render head and body of an answer after which the connection is closed, and log it."""
    status, headers, body = render(error, request_id)
    _log.info("request_refused", request_id=request_id, status=status, code=error.code)
    own = [
        *date,
        (b"x-request-id", request_id.encode()),
        (b"request-id", request_id.encode()),
        (b"content-length", b"%d" % len(body)),
        (b"connection", b"close"),
    ]
    head, _ = render_head(status, own + [header for header in headers if header[0] not in _OWN])
    return head + END, body
