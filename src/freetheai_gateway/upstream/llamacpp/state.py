"""How the embedded model stands, and how it is called when it is ready."""

from dataclasses import dataclass, field
from enum import StrEnum

from freetheai_gateway.services.ports import Origin
from freetheai_gateway.upstream.llamacpp.protocol import HOST


class Phase(StrEnum):
    """`failed` is tried again after a back-off; `missing` stays until the next start."""

    STOPPED = "stopped"
    MISSING = "missing"
    LOADING = "loading"
    READY = "ready"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where the running child listens; a restarted child listens somewhere else.

    It speaks `/v1/chat/completions`, `/v1/messages`, `/v1/responses` and `/health`.
    """

    port: int
    secret: str = field(repr=False)

    @property
    def origin(self) -> Origin:
        """The origin for an `UpstreamRequest`."""
        return Origin("http", HOST, self.port)

    @property
    def base_url(self) -> str:
        """The same as text, without a path."""
        return f"http://{HOST}:{self.port}"

    @property
    def headers(self) -> tuple[tuple[bytes, bytes], ...]:
        """The credentials that every route but `/health` asks for."""
        return ((b"authorization", b"Bearer " + self.secret.encode("ascii")),)


@dataclass(frozen=True, slots=True)
class LocalModelState:
    """`endpoint` is set when ready, `reason` (one clause, no path) when missing or failed.

    `mend` is the command that helps, where there is one.
    """

    phase: Phase
    reason: str = ""
    mend: str = ""
    endpoint: Endpoint | None = None
