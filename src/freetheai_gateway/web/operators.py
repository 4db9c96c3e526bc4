"""Who may read `/metrics` and `/readyz`: the operator's machinery, and nobody else."""

import hmac
from ipaddress import ip_address

from freetheai_gateway.errors import NotFound, Unauthenticated
from freetheai_gateway.web.credentials import presented_key
from freetheai_gateway.web.request import Request

_FORWARDED = frozenset({b"forwarded", b"x-forwarded-for", b"x-forwarded-host", b"x-real-ip", b"via"})


class OperatorGate:
    """With a token: whoever sends it. Without one: a direct loopback peer, never through a proxy."""

    def __init__(self, token: str | None) -> None:
        self._token = token

    def check(self, request: Request) -> None:
        """Raise `NotFound` for everyone else: that the route exists is nobody's business."""
        if not (self._has_token(request) if self._token else _is_direct_loopback(request)):
            raise NotFound(f"There is no route {request.path[:100]}. See /v1/models for what can be called.")

    def _has_token(self, request: Request) -> bool:
        try:
            key = presented_key(request.headers)
        except Unauthenticated:  # two keys that differ
            return False
        return key is not None and hmac.compare_digest(key.encode(), (self._token or "").encode())


def _is_direct_loopback(request: Request) -> bool:
    if any(name in _FORWARDED for name, _ in request.headers):
        return False
    try:
        return ip_address(request.client_host).is_loopback
    except ValueError:
        return False
