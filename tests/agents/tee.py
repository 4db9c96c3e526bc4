"""A relay in front of the gateway that keeps what a client sends: how the golden requests are recorded."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection

from tests.agents.serving import Silent, served

_HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length"}


@dataclass(frozen=True, slots=True)
class Said:
    """One request of a client."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes


class Tee:
    """The relay; `heard` is what came, in its order."""

    def __init__(self) -> None:
        self.url = ""
        self.heard: list[Said] = []


@contextmanager
def tee_in_thread(port: int) -> Iterator[Tee]:
    """Relay to a port of this machine."""
    tee = Tee()

    class Relay(Silent):
        def _relay(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            headers = tuple((name.lower(), value) for name, value in self.headers.items())
            tee.heard.append(Said(self.command, self.path, headers, body))
            upstream = HTTPConnection("127.0.0.1", port, timeout=60)
            upstream.request(self.command, self.path, body, {name: value for name, value in headers if name != "host"})
            reply = upstream.getresponse()
            self.send_response(reply.status)
            for name, value in reply.getheaders():
                if name.lower() not in _HOP_BY_HOP:
                    self.send_header(name, value)
            self.send_header("connection", "close")
            self.end_headers()
            while piece := reply.read1(65536):
                self.wfile.write(piece)
            upstream.close()

        do_GET = do_POST = do_HEAD = _relay  # noqa: N815 (the names are the standard library's)

    with served(Relay) as tee.url:
        yield tee
