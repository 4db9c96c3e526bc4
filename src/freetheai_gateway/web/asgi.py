"""The ASGI callable: request id, route, handler, and an answer in every case. No exception leaves it."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

from freetheai_gateway.clock import Clock
from freetheai_gateway.dialects.protocol import Dialect
from freetheai_gateway.errors import ClientCanceled, GatewayError, ServerError
from freetheai_gateway.ids import new_request_id
from freetheai_gateway.log import Log, RequestLine
from freetheai_gateway.services.observe import Observer
from freetheai_gateway.services.trace import Trace
from freetheai_gateway.web.cors import CrossOrigin
from freetheai_gateway.web.pages.negotiation import wants_page
from freetheai_gateway.web.request import Receive, Request, Scope, Send
from freetheai_gateway.web.response import Response
from freetheai_gateway.web.routes import Router
from freetheai_gateway.web.senders import NO_PROXIES, TrustedProxies

Complain = Callable[[Request, Response, GatewayError], Awaitable[None]]
"""Shows an error as a page."""
EXTENSION = "freetheai.connection"


class GatewayASGI:
    """Serves the API routes and the pages. `log_request` gets one line per request, at its end.

    `complain` tells people in a browser what went wrong, on a page.
    """

    def __init__(
        self,
        router: Router,
        default_dialect: Dialect,
        clock: Clock,
        log: Log,
        log_request: Callable[[RequestLine], None],
        *,
        observer: Observer,
        cross_origin: CrossOrigin,
        keepalive_s: float,
        complain: Complain | None = None,
        proxies: TrustedProxies = NO_PROXIES,
    ) -> None:
        self._router = router
        self._default_dialect = default_dialect
        self._clock = clock
        self._log = log
        self._log_request = log_request
        self._observer = observer
        self._cross_origin = cross_origin
        self._keepalive_s = keepalive_s
        self._complain = complain
        self._proxies = proxies
        self._loop: asyncio.AbstractEventLoop | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request."""
        connection = scope["extensions"][EXTENSION]
        if self._loop is None:
            self._loop = asyncio.get_running_loop()  # kept: to ask for it is a system call
        task = asyncio.current_task(self._loop)
        assert task is not None
        client = scope.get("client")
        request = Request(
            scope["method"],
            scope["path"],
            scope["query_string"],
            scope["headers"],
            receive,
            connection,
            client[0] if client else "",
            self._proxies,
        )
        trace = Trace(new_request_id(), "", self._clock)
        response = Response(send, connection, trace, self._default_dialect, self._keepalive_s)
        connection.on_disconnect(task.cancel)
        try:
            await self._serve(request, response, trace)
        except asyncio.CancelledError:
            task.uncancel()
            with suppress(asyncio.CancelledError):  # the client left while it was told of the drain
                await self._interrupted(response, trace)
        finally:
            response.abandon()
            self._observer.finished(trace)
            self._log_request(_line(request, trace))

    async def _serve(self, request: Request, response: Response, trace: Trace) -> None:
        try:
            origin = request.header(b"origin")
            if origin:
                response.cross_origin = self._cross_origin.headers(origin)
            found = self._router.find(request.path)
            trace.route = found.name
            response.dialect = found.route.dialect
            request.params = found.params
            if request.method == "OPTIONS" and "OPTIONS" not in found.route.handlers:
                await response.send_empty(204, self._cross_origin.preflight(request, found.route.methods))
            else:
                await found.handler(request.method)(request, response)
        except GatewayError as error:
            await self._fail(request, response, error)
        except Exception as error:  # noqa: BLE001 - the outermost edge: a fault of ours becomes a 500, named in the log
            self._log_crash(trace, error)
            fault = ServerError(f"The gateway failed. Report {trace.request_id} in Discord.")
            await self._fail(request, response, fault)

    async def _fail(self, request: Request, response: Response, error: GatewayError) -> None:
        """Tell what went wrong: on a page to somebody who looks with a browser, else in the dialect's envelope."""
        if self._complain is not None and not response.started and wants_page(request):
            try:
                await self._complain(request, response, error)
            except Exception as crash:  # noqa: BLE001 - the page itself failed: the envelope needs no template
                self._log_crash(response.trace, crash)
            else:
                return
        await response.fail(error)

    def _log_crash(self, trace: Trace, error: Exception) -> None:
        self._log.error("request_crashed", request_id=trace.request_id, route=trace.route, error=_place(error))

    async def _interrupted(self, response: Response, trace: Trace) -> None:
        """End a request whose task was cancelled: the client left, or the drain deadline passed."""
        reason = response.interruption()
        if isinstance(reason, ClientCanceled):
            trace.status, trace.code = reason.status, reason.code
            return
        await response.fail(reason)


def _place(error: BaseException) -> str:
    """Name an exception by its class and where it was raised; its text may hold what must not be logged."""
    trail = error.__traceback__
    while trail is not None and trail.tb_next is not None:
        trail = trail.tb_next
    if trail is None:
        return type(error).__name__
    return f"{type(error).__name__} at {trail.tb_frame.f_globals.get('__name__')}:{trail.tb_lineno}"


def _line(request: Request, trace: Trace) -> RequestLine:
    usage = trace.usage
    return RequestLine(
        at=trace.started_wall,
        request_id=trace.request_id,
        method=request.method,
        route=trace.route,
        status=trace.status,
        code=trace.code,
        cause=trace.cause,
        duration_ms=round(trace.elapsed_s() * 1000, 1),
        account=trace.caller.account.id if trace.caller is not None else "",
        key=trace.caller.key_prefix if trace.caller is not None else "",
        model=trace.model,
        provider=trace.provider,
        streamed=trace.streamed,
        attempts=trace.attempts,
        upstream_ms=round(trace.upstream_s * 1000, 1),
        first_token_ms=trace.first_token_ms(),
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
    )
