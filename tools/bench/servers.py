"""The servers of the benchmark: started on a core, waited for, measured, and ended by their pid."""

import http.client
import os
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tools.bench import machine

_READY_S = 30.0
_LOOK_S = 0.002
_END_S = 10.0


class NotReady(RuntimeError):
    """A server did not come up; the text ends in the last lines of its log."""


class Server:
    """A running server, its child processes included."""

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        *,
        core: int | None,
        log: Path,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self._log = log
        self._began_at = time.perf_counter()
        with machine.running_on(core), log.open("ab") as output:
            # A session of its own: Ctrl-C reaches the benchmark alone, which then ends its servers one by one.
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=environment,
                start_new_session=True,
            )

    @property
    def pids(self) -> tuple[int, ...]:
        """The process and its children."""
        return machine.process_tree(self._process.pid)

    def wait_until_listening(self, *ports: int) -> None:
        """Wait until all ports accept. Raises `NotReady`."""
        for port in ports:
            self._wait_until(lambda port=port: _accepts(port))  # type: ignore[misc]

    def wait_until_healthy(self, port: int) -> float:
        """Wait for a good `/healthz`; returns the seconds since the process was spawned. Raises `NotReady`."""
        self._wait_until(lambda: _is_healthy(port))
        return time.perf_counter() - self._began_at

    def _wait_until(self, is_ready: Callable[[], bool]) -> None:
        while not is_ready():
            if self._process.poll() is not None or time.perf_counter() - self._began_at > _READY_S:
                last = "\n".join(self._log.read_text(errors="replace").splitlines()[-10:])
                raise NotReady(f"{self.name} did not start:\n{last}")
            time.sleep(_LOOK_S)

    def kill(self) -> None:
        """End the process as the kernel would when memory is short; returns when it is gone."""
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        """End the process; returns when it is gone."""
        if self._process.poll() is None:
            self._process.terminate()
        try:
            self._process.wait(_END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def free_ports(count: int) -> list[int]:
    """Find ports of the loopback address that nobody uses now."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [listener.getsockname()[1] for listener in sockets]
    for listener in sockets:
        listener.close()
    return ports


def with_trusted(authority: Path) -> dict[str, str]:
    """Give this environment, with the authority's file in the place of the system's."""
    return {**os.environ, "SSL_CERT_FILE": str(authority)}


def _accepts(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False


def _is_healthy(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=1)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
