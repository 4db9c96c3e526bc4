"""What this machine allows and what a process costs on it: cores, CPU time, memory. Linux only: it reads `/proc`."""

import os
import platform
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
_CPUCLOCK_SCHED = 2
"""Linux's name for "all CPU time of the process" inside a clock id."""
_QUIET_S = 0.3
_QUIET_SHARE = 0.02
"""A process that uses less of a core than this, over `_QUIET_S`, has nothing left to do."""


@dataclass(frozen=True, slots=True)
class Cores:
    """The core of the server under test, and that of everything around it; `None` = the scheduler decides."""

    server: int | None
    load: int | None

    @property
    def pinned(self) -> bool:
        """Whether the two are kept apart."""
        return self.server is not None


def choose_cores() -> Cores:
    """Take the first two cores that this process may run on; nothing is pinned where there is only one."""
    usable = sorted(os.sched_getaffinity(0))
    return Cores(usable[0], usable[1]) if len(usable) > 1 else Cores(None, None)


@contextmanager
def running_on(core: int | None) -> Iterator[None]:
    """Let everything that is started inside run on one core; children and threads inherit it."""
    before = os.sched_getaffinity(0)
    if core is not None:
        os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def process_tree(pid: int) -> tuple[int, ...]:
    """Give a process and its children, grandchildren and so on."""
    children: dict[int, list[int]] = {}
    for entry in PROC.iterdir():
        if entry.name.isdecimal() and (parent := _parent(entry)) is not None:
            children.setdefault(parent, []).append(int(entry.name))
    found = [pid]
    for known in found:
        found += children.get(known, ())
    return tuple(found)


def _parent(entry: Path) -> int | None:
    try:
        stat = (entry / "stat").read_text()
    except OSError:
        return None  # it ended while we looked
    return int(stat.rpartition(")")[2].split()[1])


def cpu_s(pids: Sequence[int]) -> float:
    """Sum user and system time in seconds, of threads that have ended too.

    The clock of another process is what clock_getcpuclockid(3) makes of its id: the sum of utime and stime of
    `/proc/PID/stat`, in nanoseconds where that file counts ticks of 10 ms.
    """
    return sum(time.clock_gettime((~pid << 3) | _CPUCLOCK_SCHED) for pid in pids)


def cpu_when_quiet_s(pids: Sequence[int], limit_s: float = 30.0) -> float:
    """Wait until the processes have done what their load left behind, and sum their CPU time then."""
    used_s = cpu_s(pids)
    ends_at = time.monotonic() + limit_s
    while time.monotonic() < ends_at:
        time.sleep(_QUIET_S)
        before_s, used_s = used_s, cpu_s(pids)
        if used_s - before_s < _QUIET_S * _QUIET_SHARE:
            break
    return used_s


def resident_mb(pids: Sequence[int]) -> float:
    """Sum what is resident now, in 10^6 bytes; pages that processes share count in each."""
    return _status_mb(pids, "VmRSS:")


def peak_mb(pids: Sequence[int]) -> float:
    """Sum the most that was ever resident, in 10^6 bytes."""
    return _status_mb(pids, "VmHWM:")


def _status_mb(pids: Sequence[int], field: str) -> float:
    lines = [line for pid in pids for line in (PROC / str(pid) / "status").read_text().splitlines()]
    return sum(int(line.split()[1]) for line in lines if line.startswith(field)) * 1024 / 1e6


def find_tool(name: str) -> str | None:
    """Find a program, also where Debian keeps its servers and an ordinary user's PATH does not look."""
    return shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")


def describe(cores: Cores) -> dict[str, object]:
    """Name what the figures depend on."""
    return {
        "python": platform.python_version(),
        "kernel": platform.release(),
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "server_core": cores.server,
        "load_core": cores.load,
        "load_average_before": round(os.getloadavg()[0], 2),
    }


def summary() -> str:
    """Name the machine in a line."""
    load, system, python = os.getloadavg()[0], platform.release(), platform.python_version()
    return f"{_cpu_model()}, {os.cpu_count()} cores, load {load:.2f}, Linux {system}, Python {python}"


def _cpu_model() -> str:
    for line in (PROC / "cpuinfo").read_text().splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.machine()
