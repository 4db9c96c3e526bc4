"""The embedded models run once per node: in the keeper's process, which tells on a board how they stand."""

import asyncio
import signal
from collections.abc import Mapping
from functools import partial

import uvloop

from freetheai_gateway.app.local_models import make_local_model
from freetheai_gateway.app.offers import LOCAL_API
from freetheai_gateway.app.workers.board import Board
from freetheai_gateway.app.workers.line import Line
from freetheai_gateway.app.workers.messages import Adopt, Forget, Prepare, Prepared, Started
from freetheai_gateway.settings.catalogue import Provider
from freetheai_gateway.settings.tree import Settings
from freetheai_gateway.upstream.llamacpp.model import EmbeddedModel
from freetheai_gateway.upstream.llamacpp.state import Endpoint, LocalModelState, Phase

States = dict[str, LocalModelState]
_LOOK_S = 0.05
_LOADING = LocalModelState(Phase.LOADING)


class ReadModel:
    """Implements `EmbeddedModel` for a worker: it only reads what the keeper wrote."""

    def __init__(self, name: str, board: Board[States]) -> None:
        self._name = name
        self._board = board

    @property
    def state(self) -> LocalModelState:
        """How the model stands now; loading where the keeper has not said anything yet."""
        return self._board.read().get(self._name, _LOADING)

    @property
    def endpoint(self) -> Endpoint | None:
        """Where to send requests now; `None` unless ready."""
        return self.state.endpoint

    async def start(self) -> None:
        """Leave it to the keeper."""

    async def stop(self) -> None:
        """Leave it to the keeper."""

    async def wait_ready(self, timeout_s: float) -> LocalModelState:
        """Look again and again until the model is ready or has failed."""
        loop = asyncio.get_running_loop()
        ends_at = loop.time() + timeout_s
        while self.state.phase is Phase.LOADING and loop.time() < ends_at:  # noqa: ASYNC110 - another process tells
            await asyncio.sleep(_LOOK_S)
        return self.state


def has_models(settings: Settings) -> bool:
    """Whether a configuration needs a keeper."""
    return any(provider.api == LOCAL_API for provider in settings.providers)


def run_keeper(settings: Settings, line: Line, board: Board[States]) -> None:
    """Keep the models of a configuration alive until SIGTERM, or until the parent is gone."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_Keeper(line, board).keep(settings))


class _Keeper:
    def __init__(self, line: Line, board: Board[States]) -> None:
        self._line = line
        self._board = board
        self._states: States = {}
        self._models: dict[Provider, EmbeddedModel] = {}

    async def keep(self, settings: Settings) -> None:
        stopped = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
        try:
            await self._adopt(settings)
            self._line.tell(Started())
            async with asyncio.TaskGroup() as tasks:
                listening = tasks.create_task(self._listen(stopped))
                await stopped.wait()
                listening.cancel()
        finally:
            for model in self._models.values():
                await model.stop()

    async def _listen(self, stopped: asyncio.Event) -> None:
        prepared: Settings | None = None
        async for order in self._line.orders():
            match order:
                case Prepare(settings):
                    prepared = settings
                    self._line.tell(Prepared(agrees=True))
                case Adopt() if prepared is not None:
                    await self._adopt(prepared)
                case Forget():
                    prepared = None
        stopped.set()

    async def _adopt(self, settings: Settings) -> None:
        wanted = {provider: self._models.get(provider) for provider in settings.providers if provider.api == LOCAL_API}
        gone = [model for provider, model in self._models.items() if provider not in wanted]
        self._models = {provider: model or self._make(provider) for provider, model in wanted.items()}
        for model in self._models.values():
            await model.start()
        for model in gone:
            await model.stop()
        names = {provider.name for provider in wanted}
        self._show({name: state for name, state in self._states.items() if name in names})

    def _make(self, provider: Provider) -> EmbeddedModel:
        return make_local_model(provider, on_change=partial(self._changed, provider))

    def _changed(self, provider: Provider, state: LocalModelState) -> None:
        if provider in self._models:
            self._show({**self._states, provider.name: state})

    def _show(self, states: Mapping[str, LocalModelState]) -> None:
        self._states = dict(states)
        self._board.write(self._states)
