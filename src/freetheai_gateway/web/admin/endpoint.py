"""The one handler of the admin API: gate, route, query, body, answer."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from freetheai_gateway.errors import InvalidRequest, NotFound, ProviderUnavailable
from freetheai_gateway.jsonc import Decoder, InvalidJSON, encode
from freetheai_gateway.services.accounts import UnknownAccount, UnknownKey
from freetheai_gateway.services.ports import InvalidCursor, StoreFailed, StoreUnavailable
from freetheai_gateway.web.admin.bodies import Body
from freetheai_gateway.web.admin.document import build
from freetheai_gateway.web.admin.gate import AdminGate
from freetheai_gateway.web.admin.table import AdminRoute, Call, find_route
from freetheai_gateway.web.query import read_fields
from freetheai_gateway.web.request import Request, read_body
from freetheai_gateway.web.response import JSON, Response

BASE = "/admin/api"
DOCUMENT = "openapi.json"
MAX_BODY_BYTES = 65_536
_NEVER_CACHED = (b"cache-control", b"no-store")
_RETRY_AFTER_S = 2.0


class AdminEndpoint:
    """Answers everything below `/admin/api`. `changed` is called after every write, before it is answered."""

    def __init__(self, gate: AdminGate, routes: Sequence[AdminRoute], changed: Callable[[], None]) -> None:
        self._gate = gate
        self._routes = routes
        self._changed = changed
        self._decoders = {route.body: Decoder(route.body) for route in routes if route.body is not None}

    async def __call__(self, request: Request, response: Response) -> None:
        """Answer one request. Pages of other origins read nothing of it."""
        response.cross_origin = ()
        response.trace.route = BASE
        actor = await self._gate.actor(request)
        path = request.params["rest"]
        if path == DOCUMENT and request.method in {"GET", "HEAD"}:
            await response.send_whole(200, (JSON, _NEVER_CACHED), encode(build(BASE, self._routes)))
            return
        route, params = find_route(self._routes, request.method, path)
        response.trace.route = f"{BASE}/{route.path}"
        call = Call(actor, params, _read_query(request.query, route.query), await self._body(request, route))
        with _translated():
            answer = await route.handler(call)
        if route.writes:
            self._changed()
        await response.send_whole(route.status, (JSON, _NEVER_CACHED), encode(answer))

    async def _body(self, request: Request, route: AdminRoute) -> Body | None:
        if route.body is None:
            return None
        sent = await read_body(request, MAX_BODY_BYTES)
        try:
            return self._decoders[route.body](sent or b"{}")
        except InvalidJSON as error:
            raise InvalidRequest(f"The body can't be read: {str(error)[:200]}.", code="invalid_json") from None


def _read_query(query: bytes, known: Sequence[str]) -> Mapping[str, str]:
    """Read the query. Raises `InvalidRequest` for what the route does not know."""
    fields = read_fields(query)
    if not fields.keys() <= set(known):
        raise InvalidRequest(f"This route knows these query fields: {', '.join(known) or 'none'}.")
    if any("\x00" in value for value in fields.values()):
        raise InvalidRequest("A query field holds a NUL character.")
    return fields


@contextmanager
def _translated() -> Iterator[None]:
    """Turn what the services and stores raise into errors that a client can be shown."""
    try:
        yield
    except (UnknownAccount, UnknownKey) as error:
        raise NotFound(f"{str(error)[0].upper()}{str(error)[1:]}.") from None
    except InvalidCursor:
        raise InvalidRequest("cursor names nothing in this list.", param="cursor") from None
    except StoreUnavailable as error:
        raise ProviderUnavailable(
            "The gateway's database is away; try again in a moment.",
            code="database_unavailable",
            retry_after_s=_RETRY_AFTER_S,
        ) from error
    except StoreFailed:
        raise InvalidRequest("The database does not take one of the values.") from None
