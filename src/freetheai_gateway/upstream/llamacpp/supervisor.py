"""Keeps the model's process alive: starts it, waits for its report, starts it again with a back-off when it dies."""

import asyncio
import os
import secrets
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Callable, Mapping
from contextlib import suppress
from math import ldexp
from pathlib import Path
from random import SystemRandom

from freetheai_gateway import jsonc
from freetheai_gateway.log import Log
from freetheai_gateway.upstream.llamacpp.discover import WHEEL_MISSING, Missing, locate
from freetheai_gateway.upstream.llamacpp.protocol import (
    CHILD_MODULE,
    SECRET_VARIABLE,
    Launch,
    Refusal,
    Report,
    decode_report,
)
from freetheai_gateway.upstream.llamacpp.settings import LocalModelSettings, thread_count
from freetheai_gateway.upstream.llamacpp.state import Endpoint, LocalModelState, Phase

_REFUSALS = {
    Refusal.WHEEL: LocalModelState(
        Phase.FAILED, "the llama.cpp wheel does not load on this machine", WHEEL_MISSING.mend
    ),
    Refusal.NOT_READABLE: LocalModelState(Phase.FAILED, "the model file cannot be read"),
    Refusal.NOT_GGUF: LocalModelState(Phase.FAILED, "the model file is not a GGUF file"),
    Refusal.NOT_LOADED: LocalModelState(
        Phase.FAILED, "llama.cpp could not load the model file; it may be cut off, or of a kind that it does not know"
    ),
    Refusal.NOT_HEALTHY: LocalModelState(Phase.FAILED, "the model loaded but does not answer"),
}

_PASSED_ON = frozenset({"PATH", "HOME", "LANG", "TZ", "TMPDIR", "LD_LIBRARY_PATH", "PYTHONPATH", "PYTHONHOME"})
_PASSED_ON_PREFIXES = ("LC_", "OMP_", "GGML_", "CUDA_", "HIP_", "ROCR_", "VK_")


class LocalModel:
    """The embedded model of one gateway: exactly one child, however many workers use it.

    `start` must be called in a thread that lives as long as the process (the main one): Linux ends the child when
    the thread that started it ends. `on_change` is called with every new state, in the loop, and must not raise.
    """

    def __init__(
        self,
        settings: LocalModelSettings,
        log: Log,
        *,
        on_change: Callable[[LocalModelState], None] | None = None,
    ) -> None:
        self._settings = settings
        self._log = log
        self._on_change = on_change
        self._state = LocalModelState(Phase.STOPPED)
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def state(self) -> LocalModelState:
        """How the model stands now."""
        return self._state

    @property
    def endpoint(self) -> Endpoint | None:
        """Where to send requests now; `None` unless ready. Ask for every request: a restart changes it."""
        return self._state.endpoint

    async def start(self) -> None:
        """Begin to load and return at once; nothing happens where it was started already."""
        if self._task is not None:
            return
        found = locate(self._settings)
        if isinstance(found, Missing):
            self._log.warning("local_model_missing", reason=found.what, mend=found.mend)
            self._enter(LocalModelState(Phase.MISSING, found.what, found.mend))
            return
        self._enter(LocalModelState(Phase.LOADING))
        self._task = asyncio.get_running_loop().create_task(self._keep_alive(found), name="local-model")

    async def wait_ready(self, timeout_s: float) -> LocalModelState:
        """Wait until the model is ready or has failed to load; returns the state then, or after `timeout_s`."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                while self._state.phase is Phase.LOADING:
                    await self._changed.wait()
        return self._state

    async def stop(self) -> None:
        """End the child within `stop_timeout_s` and a moment; requests that it runs are cut off."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait({task})
            if not task.cancelled():
                task.result()
        self._enter(LocalModelState(Phase.STOPPED))

    def _enter(self, state: LocalModelState) -> None:
        if state == self._state:
            return
        self._state = state
        self._changed.set()
        self._changed = asyncio.Event()
        if self._on_change is not None:
            self._on_change(state)

    async def _keep_alive(self, model_path: Path) -> None:
        loop = asyncio.get_running_loop()
        failures = 0
        while True:
            started = loop.time()
            failed = await self._run_child(model_path)
            # A child that lived longer than the longest wait had recovered: its end is a first failure again.
            failures = 1 if loop.time() - started > self._settings.restart_most_s else failures + 1
            delay_s = restart_delay_s(self._settings, failures, SystemRandom().random())
            self._log.warning("local_model_failed", reason=failed.reason, retry_s=round(delay_s, 2))
            self._enter(failed)
            await asyncio.sleep(delay_s)
            self._enter(LocalModelState(Phase.LOADING))

    async def _run_child(self, model_path: Path) -> LocalModelState:
        """Run one child to its end, whatever that is, and say why it ended."""
        secret = secrets.token_urlsafe(32)
        try:
            process = await self._spawn(model_path, secret)
        except (OSError, ValueError) as error:
            return LocalModelState(Phase.FAILED, f"the model process could not be started ({type(error).__name__})")
        try:
            answer = await self._await_port(process)
            if isinstance(answer, LocalModelState):
                return answer
            self._log.info("local_model_ready", pid=process.pid)
            self._enter(LocalModelState(Phase.READY, endpoint=Endpoint(answer, secret)))
            return _ended(await process.wait())
        finally:
            await self._end(process)

    async def _spawn(self, model_path: Path, secret: str) -> Process:
        settings = self._settings
        launch = Launch(
            model_path=str(model_path),
            alias=settings.alias,
            context_window=settings.context_window,
            parallel=settings.parallel,
            threads=thread_count(settings),
            default_output_tokens=settings.default_output_tokens,
            parent_pid=os.getpid(),
        )
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", CHILD_MODULE, jsonc.encode(launch).decode()),
            stdin=PIPE,
            stdout=PIPE,
            stderr=DEVNULL,
            env=child_environment(os.environ, secret),
            # Ctrl-C in a terminal reaches the whole process group; the gateway drains first and ends the child itself.
            start_new_session=True,
        )

    async def _await_port(self, process: Process) -> int | LocalModelState:
        """Wait for the child's report: the port that it serves on, or how it failed."""
        assert process.stdout is not None
        try:
            async with asyncio.timeout(self._settings.start_timeout_s):
                line = await process.stdout.readline()
                if not line:
                    return _ended(await process.wait())
        except TimeoutError:
            return LocalModelState(Phase.FAILED, f"loading took longer than {self._settings.start_timeout_s:g} s")
        try:
            report = decode_report(line)
        except jsonc.InvalidJSON:
            report = Report()
        if report.refusal is not None:
            return _REFUSALS[report.refusal]
        return report.port or LocalModelState(Phase.FAILED, "the model process wrote something else than its report")

    async def _end(self, process: Process) -> None:
        assert process.stdin is not None
        process.stdin.close()
        if process.returncode is not None:
            return
        process.terminate()
        try:
            async with asyncio.timeout(self._settings.stop_timeout_s):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()


def restart_delay_s(settings: LocalModelSettings, failures: int, draw: float) -> float:
    """Seconds to wait after the `failures`-th failure in a row: doubled each time, capped, the upper half random.

    `draw` is a random number in [0, 1).
    """
    whole = min(settings.restart_most_s, ldexp(settings.restart_first_s, min(failures - 1, 32)))
    return whole * (0.5 + draw / 2)


def child_environment(environment: Mapping[str, str], secret: str) -> dict[str, str]:
    """Pick what the child needs to run and add its secret; the keys of other upstreams stay behind."""
    passed_on = {
        name: value for name, value in environment.items() if name in _PASSED_ON or name.startswith(_PASSED_ON_PREFIXES)
    }
    return {**passed_on, SECRET_VARIABLE: secret}


def _ended(code: int) -> LocalModelState:
    how = f"ended with exit code {code}" if code >= 0 else f"was ended by signal {-code}"
    return LocalModelState(Phase.FAILED, f"the model process {how}")
