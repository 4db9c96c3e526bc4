"""From method and path to a handler. One dictionary look-up for the paths that clients use; the rest is forgiving.

Every API route also answers without `/v1`, with it doubled, with a doubled or a trailing slash, because base URLs
are pasted in every form.
"""

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from freetheai_gateway.dialects.protocol import Dialect
from freetheai_gateway.errors import MethodNotAllowed, NotFound
from freetheai_gateway.web.request import Request
from freetheai_gateway.web.response import Response

Handler = Callable[[Request, Response], Awaitable[None]]
_SLASHES = re.compile(r"/{2,}")
_BASE = re.compile(r"(?:/v1(?![^/]))*+")


@dataclass(frozen=True, slots=True)
class Route:
    """A path below `/v1` (or, for `top`, at the root), its handlers by method, and the dialect of its errors."""

    path: str
    handlers: Mapping[str, Handler]
    dialect: Dialect
    top: bool = False
    takes_rest: str = ""
    """Name of the parameter that takes the rest of the path, slashes included; empty = the path is exact."""

    @property
    def methods(self) -> list[str]:
        """Every method that is answered: HEAD goes with GET, OPTIONS with all."""
        return sorted({*self.handlers, "OPTIONS"} | ({"HEAD"} if "GET" in self.handlers else set()))


@dataclass(frozen=True, slots=True)
class Found:
    """A route that fits a path, with what it took out of it. `name` is the route's label in records and logs."""

    route: Route
    name: str
    params: Mapping[str, str]

    def handler(self, method: str) -> Handler:
        """Find the handler of a method; HEAD is answered as GET. Raises `MethodNotAllowed`."""
        handler = self.route.handlers.get("GET" if method == "HEAD" else method)
        if handler is None:
            raise MethodNotAllowed(
                f"{method[:20]} is not allowed on {self.name}; use {' or '.join(self.route.handlers)}.",
                code="method_not_allowed",
                headers=((b"allow", ", ".join(self.route.methods).encode()),),
            )
        return handler


class Router:
    """Finds routes; paths that were found once are found by one look-up."""

    def __init__(self, routes: list[Route]) -> None:
        self._exact = {(route.path, route.top): route for route in routes if not route.takes_rest}
        self._open = sorted((route for route in routes if route.takes_rest), key=lambda route: -len(route.path))
        self._common = {_label(route): Found(route, _label(route), {}) for route in routes if not route.takes_rest}

    def find(self, path: str) -> Found:
        """Find the route of a path whose escapes are undone. Raises `NotFound`."""
        found = self._common.get(path)
        return found if found is not None else self._find_forgiving(path)

    def _find_forgiving(self, path: str) -> Found:
        tidy = _SLASHES.sub("/", path).rstrip("/") or "/"
        if (tidy, True) in self._exact:
            return Found(self._exact[tidy, True], tidy, {})
        base = _BASE.match(tidy)
        below = tidy[base.end() if base else 0 :] or "/"
        exact = self._exact.get((below, False))
        if exact is not None:
            return Found(exact, _label(exact), {})
        for route in self._open:
            path = tidy if route.top else below
            if path.startswith(route.path + "/"):
                return Found(route, _label(route), {route.takes_rest: path[len(route.path) + 1 :]})
        raise NotFound(f"There is no route {tidy[:100]}. See /v1/models for what can be called.")


def _label(route: Route) -> str:
    tail = f"/{{{route.takes_rest}}}" if route.takes_rest else ""
    return (route.path if route.top else f"/v1{route.path.rstrip('/')}") + tail
