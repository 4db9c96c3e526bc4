"""What the embedded model needs to be told."""

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class LocalModelSettings:
    """One model file served by one child process.

    `model_path`: a GGUF file; `None` = the demonstration model, where it is installed.
    `alias`: the name that the model has in upstream requests and replies.
    `context_window`: tokens per request; memory is reserved for `parallel` times as many.
    `parallel`: requests that are computed at once; further ones wait in the child, first come first served.
    `threads`: `None` = one less than the cores that this process may use.
    `default_output_tokens`: the output cap of a request that names none; `None` = to the end of the context.
    `start_timeout_s`: how long loading may take; a large file on a slow disk needs minutes.
    `stop_timeout_s`: how long the child has between SIGTERM and SIGKILL.
    `restart_first_s`, `restart_most_s`: the back-off between a child's end and the next start.
    """

    model_path: Path | None = None
    alias: str = "smollm2-135m"
    context_window: int = 4096
    parallel: int = 2
    threads: int | None = None
    default_output_tokens: int | None = 256
    start_timeout_s: float = 120.0
    stop_timeout_s: float = 2.0
    restart_first_s: float = 0.5
    restart_most_s: float = 60.0


def thread_count(settings: LocalModelSettings) -> int:
    """Decide how many threads compute; at least one, and one core is left for the gateway."""
    return settings.threads or max(1, _usable_cores() - 1)


def _usable_cores() -> int:
    # Containers and taskset narrow the affinity; where the system has none, the machine's cores count.
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1
