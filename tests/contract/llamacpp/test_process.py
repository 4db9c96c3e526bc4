"""The life of the child process: start, crash, stop, and the death of its parent."""

import asyncio
import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

from freetheai_gateway import jsonc
from freetheai_gateway.upstream.llamacpp.discover import find_demonstration_model
from freetheai_gateway.upstream.llamacpp.protocol import CHILD_MODULE, Launch, Refusal, Report, decode_report
from freetheai_gateway.upstream.llamacpp.settings import LocalModelSettings
from freetheai_gateway.upstream.llamacpp.state import LocalModelState, Phase
from freetheai_gateway.upstream.llamacpp.supervisor import LocalModel

from .conftest import Ask, RecordingLog

CHAT = "/v1/chat/completions"
HELLO = {"model": "any", "max_tokens": 2, "messages": [{"role": "user", "content": "Say hello."}]}

GATEWAY = """
import asyncio
from freetheai_gateway.log import get_log
from freetheai_gateway.upstream.llamacpp.settings import LocalModelSettings
from freetheai_gateway.upstream.llamacpp.supervisor import LocalModel

class Log:
    def info(self, event, **fields):
        print(fields["pid"], flush=True)

async def main():
    await LocalModel(LocalModelSettings(context_window=512, parallel=1), Log()).start()
    await asyncio.sleep(600)

asyncio.run(main())
"""

PARENT_THAT_LEAVES_THE_PIPE_OPEN = """
import os, subprocess, sys
launch = sys.argv[1].replace('"parent_pid":0', f'"parent_pid":{os.getpid()}')
child = subprocess.Popen([sys.executable, "-m", sys.argv[2], launch], stdin=int(sys.argv[3]), stdout=subprocess.PIPE)
child.stdout.readline()
print(child.pid, flush=True)
child.wait()
"""


def exists(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def kill_and_watch(parent: subprocess.Popen[bytes]) -> bool:
    """Read a process id from the parent's output, kill the parent, say whether that process ends too."""
    assert parent.stdout is not None
    with parent.stdout as output:
        watched = os.pidfd_open(int(output.readline()))
        assert not select.select([watched], [], [], 0)[0]
        parent.kill()
        parent.wait()
    ended, _, _ = select.select([watched], [], [], 20)
    os.close(watched)
    return bool(ended)


async def until(condition: Callable[[], bool]) -> None:
    """Wait for a condition, for at most 20 s."""
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - a condition outside of the loop
            await asyncio.sleep(0.01)


def launch_argument(*, model_path: str | None = None, parent_pid: int = 0) -> str:
    path = model_path or str(find_demonstration_model())
    launch = Launch(path, "tiny", 512, 1, threads=1, default_output_tokens=16, parent_pid=parent_pid)
    return jsonc.encode(launch).decode()


def start_child(argument: str, **environment: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", CHILD_MODULE, argument],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "FREETHEAI_LOCAL_MODEL_SECRET": "s3cret", **environment},
    )


@pytest.mark.local_model
async def test_start_when_installed_then_returns_at_once_and_becomes_ready(
    quick: LocalModelSettings, log: RecordingLog, ask: Ask
) -> None:
    """Loading goes on behind `start`; every change is told; after `stop` no process is left."""
    states: list[LocalModelState] = []
    model = LocalModel(quick, log, on_change=states.append)
    await model.start()
    assert model.state == LocalModelState(Phase.LOADING)
    state = await model.wait_ready(30)
    assert state.endpoint is not None
    status, _ = await ask(state.endpoint, CHAT, HELLO)
    assert status == 200
    await model.stop()
    assert [state.phase for state in states] == [Phase.LOADING, Phase.READY, Phase.STOPPED]
    assert model.endpoint is None
    assert not exists(log.values("local_model_ready", "pid")[0])


@pytest.mark.local_model
async def test_start_when_running_then_the_secret_stands_in_no_argument_and_no_log(
    quick: LocalModelSettings, log: RecordingLog
) -> None:
    """Arguments are readable by every user of the machine; the child is nice and leads its own session."""
    model = LocalModel(quick, log)
    await model.start()
    state = await model.wait_ready(30)
    assert state.endpoint is not None
    pid = log.values("local_model_ready", "pid")[0]
    arguments = await asyncio.to_thread(Path(f"/proc/{pid}/cmdline").read_text)
    niceness, session = os.getpriority(os.PRIO_PROCESS, pid), os.getsid(pid)
    await model.stop()
    assert state.endpoint.secret not in arguments
    assert state.endpoint.secret not in str(log.events)
    assert niceness >= 10
    assert session == pid


@pytest.mark.local_model
async def test_child_when_killed_then_is_restarted_and_answers_again(
    quick: LocalModelSettings, log: RecordingLog, ask: Ask
) -> None:
    """A crash costs the requests in flight and a restart, with a new secret."""
    model = LocalModel(quick, log)
    await model.start()
    before = (await model.wait_ready(30)).endpoint
    os.kill(log.values("local_model_ready", "pid")[0], signal.SIGSEGV)
    await until(lambda: model.endpoint not in {None, before})
    after = model.endpoint
    assert before is not None
    assert after is not None
    status, _ = await ask(after, CHAT, HELLO)
    await model.stop()
    assert status == 200
    assert after.secret != before.secret
    assert log.values("local_model_failed", "reason") == ["the model process was ended by signal 11"]


@pytest.mark.local_model
async def test_stop_when_the_child_does_not_react_then_kills_it(quick: LocalModelSettings, log: RecordingLog) -> None:
    """A child that ignores SIGTERM (that is inherited) and is stopped ends all the same."""
    model = LocalModel(replace(quick, stop_timeout_s=0.05), log)
    handler = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        await model.start()
        await model.wait_ready(30)
    finally:
        signal.signal(signal.SIGTERM, handler)
    pid = log.values("local_model_ready", "pid")[0]
    os.kill(pid, signal.SIGSTOP)
    async with asyncio.timeout(20):
        await model.stop()
    assert not exists(pid)
    assert model.state.phase is Phase.STOPPED


@pytest.mark.local_model
async def test_stop_when_still_loading_then_ends_and_a_later_start_works(
    quick: LocalModelSettings, log: RecordingLog
) -> None:
    """Stopping in the middle leaves nothing behind that a new start would meet."""
    model = LocalModel(quick, log)
    await model.start()
    await asyncio.sleep(0)
    await model.stop()
    assert model.state.phase is Phase.STOPPED
    await model.start()
    assert (await model.wait_ready(30)).phase is Phase.READY
    await model.stop()


@pytest.mark.local_model
def test_child_when_the_gateway_is_killed_then_dies_too() -> None:
    """`kill -9` of the gateway leaves no process behind."""
    assert kill_and_watch(subprocess.Popen([sys.executable, "-c", GATEWAY], stdout=subprocess.PIPE))


@pytest.mark.local_model
def test_child_when_only_the_kernel_can_tell_then_dies_with_its_parent() -> None:
    """Even where somebody else holds the child's standard input open, as happens after a fork."""
    reader, writer = os.pipe()
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT_THAT_LEAVES_THE_PIPE_OPEN, launch_argument(), CHILD_MODULE, str(reader)],
        stdout=subprocess.PIPE,
        pass_fds=[reader],
        env={**os.environ, "FREETHEAI_LOCAL_MODEL_SECRET": "s3cret"},
    )
    assert kill_and_watch(parent)
    os.close(reader)
    os.close(writer)


@pytest.mark.local_model
def test_child_when_its_input_closes_then_ends_having_written_its_report_only() -> None:
    """Nothing that was asked or answered reaches standard output or standard error."""
    child = start_child(launch_argument(parent_pid=os.getpid()))
    assert child.stdout is not None
    report = decode_report(child.stdout.readline())
    request = Request(f"http://127.0.0.1:{report.port}{CHAT}", jsonc.encode(HELLO), {"authorization": "Bearer s3cret"})
    with urlopen(request, timeout=20) as reply:  # noqa: S310 - our own address
        assert jsonc.decode_any(reply.read())
    assert child.communicate(timeout=20) == (b"", b"")
    assert child.returncode == 0


@pytest.mark.local_model
async def test_start_when_the_file_is_broken_then_fails_with_a_reason_and_tries_again(
    quick: LocalModelSettings, log: RecordingLog, tmp_path: Path
) -> None:
    """A cut-off download and a file of another kind are told apart; the path is in neither reason."""
    complete = find_demonstration_model()
    assert complete is not None
    cut_off, other = tmp_path / "cut.gguf", tmp_path / "other.gguf"
    with complete.open("rb") as file:
        cut_off.write_bytes(file.read(100_000))
    other.write_bytes(b"PK\x03\x04")
    for path, words in ((cut_off, "could not load the model file"), (other, "is not a GGUF file")):
        log.events.clear()
        model = LocalModel(replace(quick, model_path=path), log)
        await model.start()
        assert words in (await model.wait_ready(30)).reason
        await until(lambda: len(log.values("local_model_failed", "reason")) > 1)
        await model.stop()
        assert all(words in reason for reason in log.values("local_model_failed", "reason"))
        assert str(tmp_path) not in str(log.events)


@pytest.mark.local_model
async def test_start_when_loading_takes_too_long_then_fails_with_that_reason(
    quick: LocalModelSettings, log: RecordingLog
) -> None:
    """A child that never reports is ended and tried again later."""
    model = LocalModel(replace(quick, start_timeout_s=0.001), log)
    await model.start()
    await until(lambda: bool(log.events))
    await model.stop()
    assert log.values("local_model_failed", "reason")[0] == "loading took longer than 0.001 s"


async def test_start_when_the_file_does_not_exist_then_is_missing_and_starts_nothing(
    quick: LocalModelSettings, log: RecordingLog, tmp_path: Path
) -> None:
    """The gateway runs on without the model and says which command helps."""
    model = LocalModel(replace(quick, model_path=tmp_path / "absent.gguf"), log)
    await model.start()
    assert model.state.phase is Phase.MISSING
    assert (await model.wait_ready(30)).mend
    assert [event for event, _ in log.events] == ["local_model_missing"]
    await model.stop()


def test_child_when_the_wheel_does_not_load_then_refuses_with_that_reason(tmp_path: Path) -> None:
    """A wheel for another machine is a reason, not a traceback."""
    (tmp_path / "xllamacpp.py").write_text("raise ImportError('libgomp.so.1')")
    file = tmp_path / "any.gguf"
    file.write_bytes(b"GGUF")
    child = start_child(launch_argument(model_path=str(file), parent_pid=os.getpid()), PYTHONPATH=str(tmp_path))
    out, err = child.communicate(timeout=20)
    assert decode_report(out) == Report(refusal=Refusal.WHEEL)
    assert (child.returncode, err) == (3, b"")


def test_child_when_the_file_cannot_be_read_then_refuses_with_that_reason(tmp_path: Path) -> None:
    """A directory, or a file without permission."""
    child = start_child(launch_argument(model_path=str(tmp_path), parent_pid=os.getpid()))
    out, _ = child.communicate(timeout=20)
    assert decode_report(out) == Report(refusal=Refusal.NOT_READABLE)


def test_child_when_its_parent_is_gone_already_then_ends_before_it_loads() -> None:
    """The parent may die between the start of the child and the request to die with it."""
    child = start_child(launch_argument(model_path="/dev/null", parent_pid=1))
    assert child.communicate(timeout=20) == (b"", b"")
    assert child.returncode == 0
