"""One admitted request and everything it is answered with."""

from collections.abc import Sequence

import msgspec

from freetheai_gateway.dialects.protocol import Dialect, RawRequest
from freetheai_gateway.domain.catalogue import Model
from freetheai_gateway.domain.pools import Upstream
from freetheai_gateway.services.directory import Offer
from freetheai_gateway.services.ports import Sink
from freetheai_gateway.services.settle import Settlement
from freetheai_gateway.services.trace import Trace


class Exchange(msgspec.Struct, frozen=True):
    """Holds references only; what changes while the request runs is in `trace` and `settlement`."""

    dialect: Dialect
    request: RawRequest
    body: bytes
    """The request as the client sent it."""
    headers: tuple[tuple[bytes, bytes], ...]
    """The client's headers that go to an upstream of the same dialect."""
    model: Model
    upstreams: Sequence[Upstream]
    """Where the request may go."""
    offer: Offer
    sink: Sink
    trace: Trace
    settlement: Settlement
