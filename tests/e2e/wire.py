"""HTTP as these tests need it: whole replies in one call, and bare sockets for what no client library would do."""

import http.client
import socket
import struct
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from freetheai_gateway import jsonc, sse
from tests.e2e.gateway import CANARY, Gateway, Key

CHAT = "/v1/chat/completions"
PATIENCE_S = 20.0

Object = dict[str, object]


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply that was read to its end."""

    status: int
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes

    def json(self) -> Object:
        """Read the body as a JSON object."""
        return jsonc.Decoder(Object)(self.body)

    def error(self) -> Object:
        """Read the object under `error`."""
        error = self.json()["error"]
        assert isinstance(error, dict)
        return error

    def text(self) -> str:
        """Read the text of a whole chat completion's first choice."""
        choices = self.json()["choices"]
        assert isinstance(choices, list)
        return str(choices[0]["message"]["content"])

    def events(self) -> list[bytes]:
        """Read the data of the events of a stream, comments left out."""
        data = (sse.event_data(event) for event in sse.split_events(self.body))
        return [one for one in data if one is not None]


def prompt(text: str = "Say hello.") -> list[Object]:
    """Make a conversation that holds the canary."""
    return [{"role": "user", "content": f"{CANARY} {text}"}]


def chat_body(model: str, *, stream: bool = False, **fields: object) -> bytes:
    """Make a request body."""
    return jsonc.encode({"model": model, "messages": prompt(), "stream": stream, **fields})


def call(
    gateway: Gateway,
    method: str,
    path: str,
    *,
    key: Key | None = None,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
) -> Reply:
    """Send one request on a connection of its own and read the whole reply."""
    sent = {**(key.bearer if key else {}), **({"content-type": "application/json"} if body is not None else {})}
    connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=PATIENCE_S)
    try:
        connection.request(method, path, body=body, headers={**sent, **(headers or {})})
        with connection.getresponse() as response:
            named = {name.lower(): value for name, value in response.getheaders()}
            return Reply(response.status, named, response.read())
    finally:
        connection.close()


def chat(gateway: Gateway, key: Key, model: str, *, stream: bool = False, **fields: object) -> Reply:
    """Ask for a chat completion and read it whole."""
    return call(gateway, "POST", CHAT, key=key, body=chat_body(model, stream=stream, **fields))


def raw_request(key: Key, body: bytes, *, path: str = CHAT, extra: str = "", length: int | None = None) -> bytes:
    """Render a POST as bytes."""
    announced = len(body) if length is None else length
    head = f"POST {path} HTTP/1.1\r\nhost: gateway\r\nauthorization: Bearer {key.secret}\r\n{extra}"
    return f"{head}content-type: application/json\r\ncontent-length: {announced}\r\n\r\n".encode() + body


@contextmanager
def connected(gateway: Gateway, *, receive_buffer: int = 0) -> Iterator[socket.socket]:
    """Open a bare connection; `receive_buffer` makes a reader whose kernel takes little."""
    plain = socket.socket()
    try:
        if receive_buffer:
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        plain.settimeout(PATIENCE_S)
        plain.connect(("127.0.0.1", gateway.port))
        yield plain
    finally:
        plain.close()


def hang_up(plain: socket.socket) -> None:
    """Reset the connection, as a killed client does."""
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    plain.close()


def read_until(plain: socket.socket, mark: bytes) -> bytes:
    """Read until some bytes have come."""
    data = b""
    while mark not in data:
        more = plain.recv(65536)
        assert more, f"closed before {mark!r}: {data!r}"
        data += more
    return data


def read_all(plain: socket.socket) -> bytes:
    """Read until the server closes, in whatever manner."""
    data = b""
    try:
        while more := plain.recv(65536):
            data += more
    except ConnectionResetError:
        pass
    return data


def parse_reply(data: bytes) -> Reply:
    """Read a length-delimited reply from its bytes."""
    head, _, body = data.partition(b"\r\n\r\n")
    status_line, *lines = head.decode("latin-1").split("\r\n")
    pairs = (line.partition(":") for line in lines)
    return Reply(int(status_line.split()[1]), {name.lower(): value.strip() for name, _, value in pairs}, body)
