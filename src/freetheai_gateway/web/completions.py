"""`POST /v1/chat/completions`, `POST /v1/messages`: authenticate, read the body, hand over to the service."""

from freetheai_gateway.dialects.protocol import Dialect
from freetheai_gateway.domain.catalogue import ModelKind
from freetheai_gateway.services.authenticate import Authenticator
from freetheai_gateway.services.completions import Completions, Sent
from freetheai_gateway.services.count_tokens import TokenCounter
from freetheai_gateway.web.credentials import presented_key
from freetheai_gateway.web.crowd import Crowd
from freetheai_gateway.web.request import Request
from freetheai_gateway.web.response import Response


class CompletionRoute:
    """The handler of one client dialect."""

    def __init__(
        self,
        dialect: Dialect,
        authenticator: Authenticator,
        completions: Completions,
        *,
        max_body_bytes: int,
        kind: ModelKind = ModelKind.CHAT,
        crowd: Crowd | None = None,
    ) -> None:
        self._dialect = dialect
        self._kind = kind
        self._authenticator = authenticator
        self._completions = completions
        self._max_body_bytes = max_body_bytes
        self._crowd = crowd or Crowd()

    async def __call__(self, request: Request, response: Response) -> None:
        """Answer one request."""
        trace = response.trace
        trace.caller = await self._authenticator.caller(presented_key(request.headers), request.sender)
        with self._crowd.place(request, self._max_body_bytes) as place:
            body = await place.read_body()
            sent = Sent(body, forwarded(request, self._dialect))
            await self._completions.run(self._dialect, sent, trace.caller, response, trace, kind=self._kind)


class CountTokensRoute:
    """`POST /v1/messages/count_tokens`."""

    def __init__(self, authenticator: Authenticator, counter: TokenCounter, max_body_bytes: int, crowd: Crowd) -> None:
        self._authenticator = authenticator
        self._counter = counter
        self._max_body_bytes = max_body_bytes
        self._crowd = crowd

    async def __call__(self, request: Request, response: Response) -> None:
        """Answer one request."""
        trace = response.trace
        trace.caller = await self._authenticator.caller(presented_key(request.headers), request.sender)
        with self._crowd.place(request, self._max_body_bytes) as place:
            body = await place.read_body()
            sent = Sent(body, forwarded(request, response.dialect))
            await response.reply(await self._counter.count(sent, trace.caller, trace))


def forwarded(request: Request, dialect: Dialect) -> tuple[tuple[bytes, bytes], ...]:
    """Pick the client's headers that an upstream of the same dialect gets to see."""
    wanted = dialect.forwarded_headers
    return tuple([pair for pair in request.headers if pair[0].startswith(wanted)]) if wanted else ()
