"""What the scripted upstream keeps of a request, and how its reply ended."""

from dataclasses import dataclass
from enum import StrEnum

from freetheai_gateway import jsonc


class Outcome(StrEnum):
    """How an exchange ended; `CANCELLED` = the client left before the script was done."""

    RUNNING = "running"
    DONE = "done"
    CANCELLED = "cancelled"


@dataclass(slots=True)
class Exchange:
    """One request as it came, and what became of its reply. Instants are monotonic seconds."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    """Names in lower case, in the order they came."""
    body: bytes
    connection: int
    """Which connection it came on, counted from 1."""
    received_at: float
    outcome: Outcome = Outcome.RUNNING
    ended_at: float | None = None
    sent_bytes: int = 0
    """What was written of the reply, head and framing included."""

    def header(self, name: str) -> str | None:
        """Read a header of the request; the first, where it came more than once."""
        return next((value for key, value in self.headers if key == name), None)

    def fields(self) -> dict[str, object]:
        """Read the body as a JSON object."""
        return jsonc.Decoder(dict[str, object])(self.body)

    def shown(self) -> dict[str, object]:
        """Render it for `GET /_seen`."""
        return {
            "method": self.method,
            "target": self.target,
            "headers": self.headers,
            "body": self.body.decode("utf-8", "replace"),
            "connection": self.connection,
            "received_at": self.received_at,
            "outcome": self.outcome,
            "ended_at": self.ended_at,
            "sent_bytes": self.sent_bytes,
        }
