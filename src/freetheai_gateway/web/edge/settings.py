"""What the edge needs to know; `app` fills it from the settings tree."""

from dataclasses import dataclass
from typing import Final

STALL_SAMPLES: Final = 4
"""How often per `progress_timeout_s` a slow reader's buffer is looked at."""


@dataclass(frozen=True, slots=True)
class EdgeSettings:
    """Where to listen and how long to wait for whom. Durations are seconds."""

    host: str = "127.0.0.1"
    port: int = 8000
    """0 lets the system choose; `EdgeServer.bound_port` says which."""
    backlog: int = 2048
    max_header_bytes: int = 65_536
    """Cap of a request's line and headers together; more is answered with 431."""
    header_timeout_s: float = 10.0
    """From the accept, then from the first byte of each request, until its head is complete."""
    progress_timeout_s: float = 30.0
    """Without a byte of a body that the app waits for, or without a byte taken by a client that should read."""
    idle_timeout_s: float = 60.0
    """For a kept-alive connection without a request."""
    half_close_grace_s: float = 0.2
    """How long an answer may take for a client that has shut down its sending side; then it counts as gone."""
    discard_s: float = 2.0
    """How long a request is read and thrown away after its early answer, so that the answer is not lost."""
    drain_timeout_s: float = 120.0
    """How long running requests may go on after SIGTERM."""
    cancel_grace_s: float = 5.0
    """How long cancelled requests may take to say goodbye after that."""
    shutdown_delay_s: float = 0.0
    """How long connections are still accepted after SIGTERM, while `EdgeServer.draining` is true."""

    @property
    def stall_sample_s(self) -> float:
        """How long to wait between two looks at a slow reader's buffer."""
        return self.progress_timeout_s / STALL_SAMPLES
