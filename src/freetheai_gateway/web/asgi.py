"""The ASGI callable: request id, route, handler, and an answer in every case. No exception leaves it."""

import asyncio
from collections.abc import Callable
from contextlib import suppress

from freetheai_gateway.clock import Clock
from freetheai_gateway.dialects.protocol import Dialect
from freetheai_gateway.errors import ClientCanceled, GatewayError, NotFound, ServerError
from freetheai_gateway.ids import new_request_id
from freetheai_gateway.log import Log, RequestLine
from freetheai_gateway.services.observe import Observer
from freetheai_gateway.services.trace import Trace
from freetheai_gateway.web.cors import CrossOrigin
from freetheai_gateway.web.pages.negotiation import wants_page
from freetheai_gateway.web.request import Receive, Request, Scope, Send
from freetheai_gateway.web.response import Response
from freetheai_gateway.web.routes import Found, Handler, Route, Router
from freetheai_gateway.web.senders import NO_PROXIES, TrustedProxies

EXTENSION = "freetheai.connection"


class GatewayASGI:
    """Serves the API routes and the pages. `log_request` gets one line per request, at its end.

    `lost` answers browsers that ask for what is not there.
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
        lost: Handler | None = None,
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
        self._lost = lost
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
            found = self._find(request)
            trace.route = found.name
            response.dialect = found.route.dialect
            request.params = found.params
            if request.method == "OPTIONS" and "OPTIONS" not in found.route.handlers:
                await response.send_empty(204, self._cross_origin.preflight(request, found.route.methods))
            else:
                await found.handler(request.method)(request, response)
        except GatewayError as error:
            await response.fail(error)
        except Exception as error:  # noqa: BLE001 - the outermost edge: a fault of ours becomes a 500, named in the log
            self._log.error("request_crashed", request_id=trace.request_id, route=trace.route, error=_place(error))
            await response.fail(ServerError(f"The gateway failed. Report {trace.request_id} in Discord."))

    def _find(self, request: Request) -> Found:
        """Find the route; where there is none, a browser is shown a page that says so. Raises `NotFound`."""
        try:
            return self._router.find(request.path)
        except NotFound:
            if self._lost is None or not wants_page(request):
                raise
            return Found(Route("", {"GET": self._lost}, self._default_dialect, top=True), "", {})

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
