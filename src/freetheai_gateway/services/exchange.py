"""One admitted request and everything it is answered with."""

from dataclasses import dataclass

from freetheai_gateway.dialects.protocol import Dialect, RawRequest
from freetheai_gateway.domain.catalogue import Model
from freetheai_gateway.services.directory import Offer
from freetheai_gateway.services.ports import Sink
from freetheai_gateway.services.settle import Settlement
from freetheai_gateway.services.trace import Trace


@dataclass(frozen=True, slots=True)
class Exchange:
    """Holds references only; what changes while the request runs is in `trace` and `settlement`."""

    dialect: Dialect
    request: RawRequest
    body: bytes
    """The request as the client sent it."""
    headers: tuple[tuple[bytes, bytes], ...]
    """The client's headers that go to an upstream of the same dialect."""
    model: Model
    offer: Offer
    sink: Sink
    trace: Trace
    settlement: Settlement
    unlimited: bool
    """Whether the caller is an account without limits, which may use providers that are not shared."""
