"""One worker: a gateway with its own listener on the shared port, which does what the parent tells it."""

import asyncio
import socket
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count

import uvloop

from freetheai_gateway.app.gateway import Gateway
from freetheai_gateway.app.node import live
from freetheai_gateway.app.reload import Prepared
from freetheai_gateway.app.serving import Announce
from freetheai_gateway.app.surroundings import Surroundings
from freetheai_gateway.app.workers.board import Board
from freetheai_gateway.app.workers.line import Line
from freetheai_gateway.app.workers.mailboxes import MailedSiblings
from freetheai_gateway.app.workers.messages import (
    Adopt,
    Forget,
    Note,
    Order,
    Prepare,
    Reloaded,
    ReloadWanted,
    Started,
)
from freetheai_gateway.app.workers.messages import (
    Announce as AnnounceNow,
)
from freetheai_gateway.app.workers.messages import (
    Prepared as Answer,
)
from freetheai_gateway.app.workers.models import ReadModel, States
from freetheai_gateway.log import get_log
from freetheai_gateway.services.reloading import ReloadOutcome
from freetheai_gateway.settings.catalogue import Provider
from freetheai_gateway.settings.tree import Settings
from freetheai_gateway.web.edge.listener import bind


@dataclass(frozen=True, slots=True)
class Membership:
    """What a worker has of its node."""

    line: Line
    siblings: MailedSiblings
    models: Board[States]
    announce: Announce

    def make_model(self, provider: Provider) -> ReadModel:
        """Give the view of a model that another process keeps alive."""
        return ReadModel(provider.name, self.models)


def run_worker(settings: Settings, membership: Membership) -> None:
    """Serve until SIGTERM, or until the parent is gone. Raises `CannotListen` and `store.errors.StoreFailed`."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_work(settings, membership))


async def _work(settings: Settings, membership: Membership) -> None:
    listener = bind(settings.server.host, settings.server.port, shared=True)
    gateway = await _open(settings, membership, listener)
    await live(gateway, listener, _Worker(membership))


async def _open(settings: Settings, membership: Membership, listener: socket.socket) -> Gateway:
    try:
        return await Gateway.open(settings, surroundings=Surroundings(membership.make_model, membership.siblings))
    except BaseException:
        listener.close()
        raise


class _Worker:
    """The `Duties` of a worker."""

    def __init__(self, membership: Membership) -> None:
        self._line = membership.line
        self._siblings = membership.siblings
        self._announce = membership.announce
        self._prepared: Prepared | None = None
        self._numbers = count(1)
        self._reloads: dict[int, asyncio.Future[ReloadOutcome]] = {}
        self._log = get_log("worker")

    async def beside(self, gateway: Gateway, stop: Callable[[], None]) -> None:
        """Do what the parent says; when it is gone, drain and end."""
        async with asyncio.TaskGroup() as tasks:
            self._line.tell(Started())
            async for order in self._line.orders():
                if isinstance(order, AnnounceNow):  # it waits for the local model; orders go on
                    tasks.create_task(self._announce(gateway))
                else:
                    await self._follow(order, gateway)
            self._log.error("parent_is_gone")
            stop()

    async def reload(self, *, dry_run: bool) -> ReloadOutcome:
        """Ask the parent, which asks every worker."""
        number = next(self._numbers)
        future: asyncio.Future[ReloadOutcome] = asyncio.get_running_loop().create_future()
        self._reloads[number] = future
        self._line.tell(ReloadWanted(number, dry_run))
        try:
            return await future
        finally:
            del self._reloads[number]

    async def _follow(self, order: Order, gateway: Gateway) -> None:
        match order:
            case Prepare(settings):
                self._line.tell(self._prepare(settings, gateway))
            case Adopt() if self._prepared is not None:
                prepared, self._prepared = self._prepared, None
                await gateway.adopt(prepared)
            case Forget():
                self._prepared = None
            case Note(outcome):
                await gateway.note_reload(outcome)
            case Reloaded(number, outcome):
                if (future := self._reloads.get(number)) is not None and not future.done():
                    future.set_result(outcome)

    def _prepare(self, settings: Settings, gateway: Gateway) -> Answer:
        try:
            self._prepared = gateway.prepare(settings)
        except Exception as error:  # noqa: BLE001 - whatever it is: the configuration is not taken over, by nobody
            self._log.error("reload_not_prepared", error=type(error).__name__)
            return Answer(agrees=False, reason=type(error).__name__)
        return Answer(agrees=True)
