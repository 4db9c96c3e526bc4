"""The routes of the admin API, as a table: the endpoint serves it and the document describes it."""

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from freetheai_gateway.errors import InvalidRequest, MethodNotAllowed, NotFound
from freetheai_gateway.services.ports import Page
from freetheai_gateway.web.admin.answers import Answer
from freetheai_gateway.web.admin.bodies import Body

B = TypeVar("B", bound=Body)

DEFAULT_LIMIT, MAX_LIMIT = 100, 1_000
LIST = ("limit", "cursor")
"""The query of every list."""

_ID = re.compile(r"[a-z]{3}_[0-9A-Za-z_]{1,40}")


@dataclass(frozen=True, slots=True)
class Call:
    """One call by someone who may: `params` out of the path, the query, and the body that the route takes."""

    actor: str
    params: Mapping[str, str]
    query: Mapping[str, str]
    body: Body | None = None

    def sent(self, kind: type[B]) -> B:
        """Give the body as what the route takes."""
        assert isinstance(self.body, kind)
        return self.body

    @property
    def page(self) -> Page:
        """The page that the query asks for. Raises `InvalidRequest`."""
        text = self.query.get("limit", str(DEFAULT_LIMIT))
        if not (text.isascii() and text.isdigit() and len(text) <= 4 and 1 <= int(text) <= MAX_LIMIT):
            raise InvalidRequest(f"limit must be a whole number from 1 to {MAX_LIMIT}.", param="limit")
        return Page(int(text), self.query.get("cursor"))


Handler = Callable[[Call], Awaitable[Mapping[str, object]]]


@dataclass(frozen=True, slots=True)
class AdminRoute:
    """`line` is the method and the path below `/admin/api`; the handler's docstring is the summary in the document.

    `answer` is one object, or for `is_list` the row of a page of them.
    """

    line: str
    handler: Handler
    answer: type[Answer]
    body: type[Body] | None = None
    query: Sequence[str] = ()
    is_list: bool = False
    status: int = 200
    method: str = field(init=False)
    path: str = field(init=False)
    segments: Sequence[str] = field(init=False)

    def __post_init__(self) -> None:
        method, _, path = self.line.partition(" ")
        object.__setattr__(self, "method", method)
        object.__setattr__(self, "path", path)
        object.__setattr__(self, "segments", tuple(path.split("/")))

    @property
    def writes(self) -> bool:
        """Whether it changes something."""
        return self.method != "GET"

    @property
    def summary(self) -> str:
        """What it does."""
        return (self.handler.__doc__ or "").partition("\n")[0].rstrip(".")


def find_route(routes: Sequence[AdminRoute], method: str, path: str) -> tuple[AdminRoute, Mapping[str, str]]:
    """Find the route of a path below `/admin/api`. Raises `NotFound`, `MethodNotAllowed`."""
    asked = path.strip("/").split("/")
    fitting = [route for route in routes if _fits(route, asked)]
    if not fitting:
        raise NotFound("The admin API has no such route, or no such id. See /admin/api/openapi.json.")
    for route in fitting:
        if route.method == ("GET" if method == "HEAD" else method):
            return route, {
                name[1:-1]: value for name, value in zip(route.segments, asked, strict=True) if name[0] == "{"
            }
    allowed = sorted({route.method for route in fitting})
    raise MethodNotAllowed(
        f"This route takes {' and '.join(allowed)}.",
        code="method_not_allowed",
        headers=((b"allow", ", ".join(allowed).encode()),),
    )


def _fits(route: AdminRoute, asked: Sequence[str]) -> bool:
    """Whether a path is the route's; what stands for an id must look like one, so that nothing else reaches SQL."""
    if len(route.segments) != len(asked):
        return False
    pairs = zip(route.segments, asked, strict=True)
    return all(_ID.fullmatch(part) if name[0] == "{" else name == part for name, part in pairs)
