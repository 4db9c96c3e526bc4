"""The model's own process: loads one GGUF file, serves it on a loopback port, ends with its parent.

Started by `supervisor` as `python -P -m freetheai_gateway.upstream.llamacpp.child LAUNCH`, with the server's API key in
the environment and a pipe as standard input. It writes one `Report` line; when its standard input closes it ends.
"""

import ctypes
import os
import resource
import signal
import socket
import sys
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlsplit

from freetheai_gateway import jsonc
from freetheai_gateway.upstream.llamacpp.protocol import (
    HOST,
    SECRET_VARIABLE,
    Launch,
    Refusal,
    Report,
    decode_launch,
)

NICENESS = 10
HTTP_THREADS = 72
"""Every open request keeps one thread of the server, also while it waits for its turn: with fewer threads than
requests even the health route stops answering. 72 = the 64 that a provider may have open, and some for health."""

EXIT_REFUSED = 3

_STDIN, _STDOUT, _STDERR = 0, 1, 2
_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4
_GGUF_MAGIC = b"GGUF"
_HEALTH_TIMEOUT_S = 10.0


class _Refused(Exception):
    """The model cannot be served."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal)
        self.refusal = refusal


def main(argument: str) -> NoReturn:
    """Serve until standard input closes or the parent dies.

    Leaves by `os._exit` in every case: the server's destructor joins threads while it holds the interpreter lock.
    """
    launch = decode_launch(argument)
    secret = os.environ.pop(SECRET_VARIABLE)
    reports = _silence()
    _bind_to_parent(launch.parent_pid)
    os.nice(NICENESS)
    try:
        server = _serve(launch, secret)
        port = urlsplit(server.listening_address).port
        _check_health(port)
    except _Refused as refused:
        _tell(reports, Report(refusal=refused.refusal))
        os._exit(EXIT_REFUSED)
    _tell(reports, Report(port=port))
    while os.read(_STDIN, 4096):
        pass
    os._exit(0)


def _silence() -> int:
    """Turn both output streams off for good, C++ included, and give back the descriptor for the report."""
    reports = os.dup(_STDOUT)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, _STDOUT)
    os.dup2(nowhere, _STDERR)
    os.close(nowhere)
    return reports


def _bind_to_parent(parent_pid: int) -> None:
    """Die with the parent, and leave no memory image behind: it would hold prompts."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        libc = ctypes.CDLL(None)
        # Core dumps that are piped to a collector ignore the limit above but not this. It also hides the environment.
        libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent_pid:  # it died before the line above
        os._exit(0)


def _serve(launch: Launch, secret: str) -> Any:
    """Load the model and start the server, which returns when it listens and is warm. Raises `_Refused`."""
    _check_file(Path(launch.model_path))
    try:
        import xllamacpp  # noqa: PLC0415 - 102 MB, and what fails here must be reported
    except ImportError:
        raise _Refused(Refusal.WHEEL) from None
    params = xllamacpp.CommonParams()
    params.verbosity = -1
    params.offline = True
    params.model.path = launch.model_path
    params.model_alias = {launch.alias}  # without it every reply names the file's path
    params.hostnames = [HOST]
    params.port = 0
    params.api_keys = [secret]
    params.n_threads_http = HTTP_THREADS
    params.ui = False
    params.endpoint_slots = False
    params.n_ctx = launch.context_window * launch.parallel  # it is shared out among the slots
    params.n_parallel = launch.parallel
    params.fit_params = False  # else the file is loaded twice, and a context that does not fit is quietly made smaller
    params.n_predict = -1 if launch.default_output_tokens is None else launch.default_output_tokens
    params.cache_ram_mib = 0  # else up to 8 GiB of finished conversations stay in memory
    params.cpuparams.n_threads = launch.threads
    params.cpuparams_batch.n_threads = launch.threads
    try:
        return xllamacpp.Server(params)
    except RuntimeError:
        raise _Refused(Refusal.NOT_LOADED) from None


def _check_file(path: Path) -> None:
    """Tell the faults of the file that llama.cpp would not tell apart. Raises `_Refused`."""
    try:
        with path.open("rb") as file:
            magic = file.read(len(_GGUF_MAGIC))
    except OSError:
        raise _Refused(Refusal.NOT_READABLE) from None
    if magic != _GGUF_MAGIC:
        raise _Refused(Refusal.NOT_GGUF)


def _check_health(port: int | None) -> None:
    """Ask the server whether it serves. Raises `_Refused`."""
    try:
        with socket.create_connection((HOST, port or 0), _HEALTH_TIMEOUT_S) as connection:
            connection.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            if b" 200 " in connection.recv(64):
                return
    except OSError:
        pass
    raise _Refused(Refusal.NOT_HEALTHY)


def _tell(reports: int, report: Report) -> None:
    os.write(reports, jsonc.encode(report) + b"\n")
    os.close(reports)


if __name__ == "__main__":
    main(sys.argv[1])
