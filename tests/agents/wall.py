"""A proxy that lets nothing through: what an agent tries to reach outside is noted and refused at once."""

from collections.abc import Iterator
from contextlib import contextmanager

from tests.agents.serving import Silent, served


class Wall:
    """The proxy; `refused` are the targets that were asked for."""

    def __init__(self) -> None:
        self.url = ""
        self.refused: list[str] = []

    @property
    def environment(self) -> dict[str, str]:
        """The variables that send everything but loopback here, in both spellings."""
        names = {"http_proxy": self.url, "https_proxy": self.url, "all_proxy": self.url, "no_proxy": "127.0.0.1"}
        return names | {name.upper(): value for name, value in names.items()}


@contextmanager
def wall_in_thread() -> Iterator[Wall]:
    """Run the proxy beside the tests."""
    wall = Wall()

    class Refuse(Silent):
        def _refuse(self) -> None:
            wall.refused.append(self.path)
            self.send_response(403)
            self.send_header("content-length", "0")
            self.send_header("connection", "close")
            self.end_headers()

        do_CONNECT = do_GET = do_POST = do_HEAD = _refuse  # noqa: N815 (the names are the standard library's)

    with served(Refuse) as wall.url:
        yield wall
