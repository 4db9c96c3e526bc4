"""One HTTP request as the handlers see it, and its body within bounds."""

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from freetheai_gateway.errors import ClientCanceled, InvalidRequest, RequestTooLarge
from freetheai_gateway.web.senders import NO_PROXIES, TrustedProxies

_ENOUGH_DIGITS = 18
"""Of a declared length: more than any cap has."""

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class Connection(Protocol):
    """What the edge tells of the client's connection, in `scope["extensions"]`."""

    whole_body: bytes | None
    """The body where all of it has arrived already, until someone takes it."""

    @property
    def disconnected(self) -> bool:
        """Whether the client is gone."""
        ...

    def on_disconnect(self, callback: Callable[[], None] | None) -> None:
        """Call back once when the client goes before the response is complete."""
        ...


@dataclass(slots=True)
class Request:
    """A request whose head has been read; `params` are what the route took out of the path."""

    method: str
    path: str
    query: bytes
    headers: list[tuple[bytes, bytes]]
    receive: Receive
    connection: Connection
    client_host: str = ""
    """Address of the direct peer, which may be a proxy."""
    proxies: TrustedProxies = NO_PROXIES
    params: Mapping[str, str] = field(default_factory=dict)
    _by_name: dict[bytes, bytes] | None = None

    def sender(self) -> str:
        """Name who sent it, for counting: the peer, or whom a trusted proxy names."""
        return self.proxies.sender(self.client_host, self.headers)

    def header(self, name: bytes) -> bytes:
        """Find a header by its lower-case name, the last of several; empty where it is absent."""
        if self._by_name is None:
            self._by_name = dict(self.headers)
        return self._by_name.get(name, b"")


async def read_body(request: Request, max_bytes: int) -> bytes:
    """Read the whole body. Raises `RequestTooLarge` as soon as it is known to be, before reading on."""
    declared_bytes(request, max_bytes)
    return await receive_body(request, max_bytes)


def declared_bytes(request: Request, max_bytes: int) -> int:
    """Read the size that a head declares; 0 for a body in chunks, whose size is not known.

    Raises `RequestTooLarge` where it is over the cap.
    """
    declared = request.header(b"content-length")
    if not declared.isdigit():
        return 0
    size = int(declared if len(declared) <= _ENOUGH_DIGITS else declared.lstrip(b"0")[:_ENOUGH_DIGITS] or b"0")
    if size > max_bytes:
        raise _too_large(max_bytes)
    return size


async def receive_body(request: Request, max_bytes: int, on_size: Callable[[int], None] | None = None) -> bytes:
    """Read the whole body, whose declared size has been looked at.

    `on_size` is told how many bytes have arrived, while they are held; what it raises ends the reading.
    """
    if request.header(b"content-encoding").lower() not in {b"", b"identity"}:
        raise InvalidRequest("Compressed request bodies are not understood; send the JSON as it is.")
    connection = request.connection
    if connection.whole_body is not None and not connection.disconnected:
        whole, connection.whole_body = connection.whole_body, None
        _take_note(len(whole), max_bytes, on_size)
        return whole
    message = await request.receive()
    body = _part(message)
    _take_note(len(body), max_bytes, on_size)
    if message.get("more_body", False):
        return await _read_on(request, bytearray(body), max_bytes, on_size)
    return body


async def _read_on(request: Request, body: bytearray, max_bytes: int, on_size: Callable[[int], None] | None) -> bytes:
    """Read on to the end. One buffer: a list of very many pieces takes far more memory."""
    more = True
    while more:
        message = await request.receive()
        body += _part(message)
        _take_note(len(body), max_bytes, on_size)
        more = message.get("more_body", False)
    return bytes(body)


def _take_note(size: int, max_bytes: int, on_size: Callable[[int], None] | None) -> None:
    if size > max_bytes:
        raise _too_large(max_bytes)
    if on_size is not None:
        on_size(size)


def _part(message: Message) -> bytes:
    if message["type"] == "http.disconnect":
        raise ClientCanceled("The client left before its request was complete.")
    body: bytes = message.get("body", b"")
    return body


def _too_large(max_bytes: int) -> RequestTooLarge:
    return RequestTooLarge(f"The request body is larger than {max_bytes} bytes.", details={"limit": max_bytes})
