"""The server around the connections: start, signals, drain and end."""

import asyncio
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager, nullcontext, suppress

import uvicorn

from freetheai_gateway.outbox import Outbox
from freetheai_gateway.web.edge.exchange import App
from freetheai_gateway.web.edge.listener import CannotListen, bind
from freetheai_gateway.web.edge.protocol import EdgeProtocol
from freetheai_gateway.web.edge.refusal import RenderError
from freetheai_gateway.web.edge.settings import EdgeSettings

_DATE_S = 1.0
"""How often the date of the responses is written anew."""
_LONGEST_NAP_S = 0.1
"""How often a drain looks at what still runs, after more frequent looks at its beginning."""


class EdgeServer(uvicorn.Server):
    """Serves one app in one process until SIGTERM or SIGINT; a second one of them ends it at once.

    SIGHUP calls `on_reload`. `lifespan` is entered when the port is bound and before anyone can connect, and left
    after the drain. `on_started` gets the port. `on_drain` is called when `draining` becomes true.
    What is sent goes through `outbox`.
    `run()` runs it on its own uvloop, `serve()` on the running loop; both return after the drain, whatever began it.
    """

    def __init__(
        self,
        app: App,
        settings: EdgeSettings,
        *,
        render_error: RenderError,
        lifespan: AbstractAsyncContextManager[object] | None = None,
        on_started: Callable[[int], None] = lambda _port: None,
        on_drain: Callable[[], None] = lambda: None,
        on_reload: Callable[[], object] = lambda: None,
        outbox: Outbox | None = None,
    ) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                loop="uvloop",
                http=EdgeProtocol,
                ws="none",
                lifespan="off",
                log_config=None,
                log_level="warning",
                access_log=False,
                interface="asgi3",
                proxy_headers=False,
                server_header=False,
                date_header=True,
            )
        )
        self.settings = settings
        self.draining = False
        self.bound_port = 0
        self._render_error = render_error
        self._lifespan = lifespan or nullcontext()
        self._on_started = on_started
        self._on_drain = on_drain
        self._on_reload = on_reload
        self._outbox = outbox
        self._woken = asyncio.Event()

    def stop(self) -> None:
        """Drain and end; the second call ends at once. What SIGTERM and SIGINT do; loop only."""
        self.force_exit = self.should_exit
        self.should_exit = True
        self._woken.set()

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve on these bound sockets, or on that of the settings. Raises `CannotListen`."""
        sockets = sockets or [bind(self.settings.host, self.settings.port)]
        self.bound_port = sockets[0].getsockname()[1]
        try:
            self.config.load()
            with self.capture_signals():
                async with self._lifespan:
                    await self.startup(sockets)
                    await self.main_loop()
                    await self.shutdown(sockets)
        finally:
            for listener in sockets:
                listener.close()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to accept."""
        loop = asyncio.get_running_loop()
        outbox = self._outbox or Outbox(loop.call_soon)

        def connect() -> EdgeProtocol:
            return EdgeProtocol(self.config, self.server_state, self.settings, self._render_error, outbox)

        self.servers = []
        for listener in sockets or []:
            try:
                server = await loop.create_server(connect, sock=listener, backlog=self.settings.backlog)
            except OSError as error:
                raise CannotListen(self.settings.host, self.bound_port, error) from None
            self.servers.append(server)
        self.started = True
        self._on_started(self.bound_port)

    async def main_loop(self) -> None:
        """Keep the date until told to stop."""
        while not self.should_exit:
            await self.on_tick(0)
            await self._nap(_DATE_S)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Drain: finish what runs, cancel what runs for too long, abort what is left."""
        del sockets  # closed by `serve`
        self.draining = True
        self._on_drain()
        await self._wait_until(lambda: False, self.settings.shutdown_delay_s)
        for server in self.servers:
            server.close()
        for connection in [*self.server_state.connections]:
            connection.shutdown()
        await self._wait_until(self._is_idle, self.settings.drain_timeout_s)
        for task in [*self.server_state.tasks]:
            task.cancel()
        await self._wait_until(self._is_idle, self.settings.cancel_grace_s)
        for connection in [*self.server_state.connections]:
            connection.transport.abort()
        await asyncio.sleep(0)  # in which the connections are told

    def _is_idle(self) -> bool:
        # A task that was cancelled before its first step is done and has forgotten nothing.
        return not self.server_state.connections and all(task.done() for task in self.server_state.tasks)

    async def _wait_until(self, is_done: Callable[[], bool], limit_s: float) -> None:
        loop = asyncio.get_running_loop()
        ends_at = loop.time() + limit_s
        nap_s = 0.001
        while not (self.force_exit or is_done()) and (left_s := ends_at - loop.time()) > 0:
            await self._nap(min(nap_s, left_s))
            nap_s = min(2 * nap_s, _LONGEST_NAP_S)
            await self.on_tick(0)

    async def _nap(self, duration_s: float) -> None:
        self._woken.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(duration_s):
                await self._woken.wait()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Handle signals in the loop, where there is a main thread to get them; none is raised again."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        loop = asyncio.get_running_loop()
        handlers = {signal.SIGINT: self.stop, signal.SIGTERM: self.stop, signal.SIGHUP: self._on_reload}
        previous = {number: signal.getsignal(number) for number in handlers}
        for number, handler in handlers.items():
            loop.add_signal_handler(number, handler)
        try:
            yield
        finally:
            for number, handler_before in previous.items():
                loop.remove_signal_handler(number)
                signal.signal(number, handler_before)
