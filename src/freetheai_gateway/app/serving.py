"""One serving process: bind, open the gateway, serve until told to stop, close in order."""

import asyncio
import signal
from collections.abc import Callable, Coroutine

import uvloop

from freetheai_gateway.app.gateway import Gateway
from freetheai_gateway.app.node import live
from freetheai_gateway.log import configure, get_log
from freetheai_gateway.services.reloading import Mistake, ReloadOutcome
from freetheai_gateway.settings.defaults import listening_on
from freetheai_gateway.settings.problems import SettingsInvalid
from freetheai_gateway.settings.tree import Settings
from freetheai_gateway.web.edge.listener import bind
from freetheai_gateway.web.edge.open_files import raise_open_files_limit

Announce = Callable[[Gateway], Coroutine[object, object, None]]
Explain = Callable[[BaseException], tuple[int, str] | None]
"""Gives the exit code and the sentence of a failure that an operator can do something about."""


def serve(settings: Settings, announce: Announce, read_again: Callable[[], Settings], explain: Explain) -> int:
    """Serve until SIGTERM or SIGINT; returns the exit code after the drain.

    `announce` is awaited beside the server as soon as it accepts connections. `read_again` reads the configuration
    for a reload and raises `SettingsInvalid` where it can't be used. `explain` puts what keeps a worker from starting
    into an exit code and a sentence. Raises `web.edge.listener.CannotListen` and
    `store.errors.StoreFailed`.
    """
    configure(settings.log.level, settings.log.format)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # until the server can reload: its default would end the process
    raise_open_files_limit()
    if settings.server.workers > 1:
        from freetheai_gateway.app.workers.supervisor import Supervisor  # noqa: PLC0415 - for one process there is none

        return Supervisor(settings, announce, read_again, explain).run()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(settings, announce, read_again))
    return 0


async def _serve(settings: Settings, announce: Announce, read_again: Callable[[], Settings]) -> None:
    listener = bind(settings.server.host, settings.server.port)
    try:
        settings = listening_on(settings, port=listener.getsockname()[1])
        gateway = await Gateway.open(settings)
    except BaseException:
        listener.close()
        raise
    await live(gateway, listener, _Alone(announce, Reloader(gateway, read_again)))


class _Alone:
    """The `Duties` of a process that is the whole node."""

    def __init__(self, announce: Announce, reloader: "Reloader") -> None:
        self._announce = announce
        self._reloader = reloader

    async def beside(self, gateway: Gateway, _stop: Callable[[], None]) -> None:
        """Tell the operator that the gateway serves."""
        await self._announce(gateway)

    async def reload(self, *, dry_run: bool) -> ReloadOutcome:
        """Read the configuration again."""
        return await self._reloader.run(dry_run=dry_run)


class Reloader:
    """Reloads one after the other; a configuration that can't be used is refused whole, and the old one stays."""

    def __init__(self, gateway: Gateway, read_again: Callable[[], Settings]) -> None:
        self._gateway = gateway
        self._read_again = read_again
        self._turn = asyncio.Lock()

    async def run(self, *, dry_run: bool) -> ReloadOutcome:
        """Read the configuration again and swap what is on offer, or only compare; what was tried is logged."""
        async with self._turn:
            try:
                read = await asyncio.to_thread(self._read_again)
            except SettingsInvalid as invalid:
                return refused(invalid, quietly=dry_run)
            read = listening_on(read, port=self._gateway.settings.server.port)
            return self._gateway.compare(read) if dry_run else await self._gateway.reload(read)


def refused(invalid: SettingsInvalid, *, quietly: bool) -> ReloadOutcome:
    """Log what is wrong with a configuration that was read again, unless `quietly`; returns the same as a value."""
    for problem in () if quietly else invalid.problems:
        get_log("reload").error(
            "reload_refused", where=problem.where, line=problem.line, message=problem.message, hint=problem.hint
        )
    return ReloadOutcome(
        mistakes=[Mistake(each.where, each.message, each.hint, each.line) for each in invalid.problems]
    )
