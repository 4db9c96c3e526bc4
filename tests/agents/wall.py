"""A proxy that lets nothing through: what an agent tries to reach outside is noted and refused at once."""

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread


class Wall:
    """The proxy; `refused` are the targets that were asked for."""

    def __init__(self, port: int) -> None:
        self.refused: list[str] = []
        self._url = f"http://127.0.0.1:{port}"

    @property
    def environment(self) -> dict[str, str]:
        """The variables that send everything but loopback here, in both spellings."""
        names = {"http_proxy": self._url, "https_proxy": self._url, "all_proxy": self._url, "no_proxy": "127.0.0.1"}
        return names | {name.upper(): value for name, value in names.items()}


@contextmanager
def wall_in_thread() -> Iterator[Wall]:
    """Run the proxy beside the tests."""

    class Refuse(BaseHTTPRequestHandler):
        def _refuse(self) -> None:
            wall.refused.append(self.path)
            self.send_response(403)
            self.send_header("content-length", "0")
            self.send_header("connection", "close")
            self.end_headers()

        do_CONNECT = do_GET = do_POST = do_HEAD = _refuse  # noqa: N815 (the names are the standard library's)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Stay silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Refuse)
    wall = Wall(server.server_address[1])
    thread = Thread(target=server.serve_forever, name="wall", kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield wall
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
