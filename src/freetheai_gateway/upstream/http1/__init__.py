"""The relay client: HTTP/1.1 to upstreams, built for what a relayed request and a streamed chunk may cost."""

from freetheai_gateway.upstream.http1.client import Http1Client
from freetheai_gateway.upstream.http1.pool import PoolLimits

__all__ = ["Http1Client", "PoolLimits"]
