"""A real browser that opens one page, and the server of that page: an origin that is not the gateway's."""

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import Empty, Queue
from threading import Thread

from freetheai_gateway import jsonc

PAGE = Path(__file__).with_name("page.html")
OPEN_S = 30.0
PROGRAM = "chromium"
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
)

Object = dict[str, object]


def is_installed() -> bool:
    """Whether there is a browser."""
    return shutil.which(PROGRAM) is not None


class PageServer(ThreadingHTTPServer):
    """Serves the page and its settings, and takes what the page found out."""

    def __init__(self, settings: Object) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.settings = jsonc.encode(settings)
        self.outcomes: Queue[Object] = Queue()

    @property
    def origin(self) -> str:
        """What the browser sends as `Origin`."""
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: PageServer

    def do_GET(self) -> None:
        if self.path == "/settings":
            self._answer("application/json", self.server.settings)
        elif self.path == "/":
            self._answer("text/html", PAGE.read_bytes())
        else:
            self.send_error(404)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self._answer("application/json", b"{}")
        self.server.outcomes.put(jsonc.Decoder(Object)(body))

    def _answer(self, content_type: str, body: bytes) -> None:
        self.send_response(200)
        self.send_header("content-type", content_type)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Stay silent."""


def open_page(settings: Object, folder: Path) -> Object:
    """Let a fresh browser open the page; returns what the page found out."""
    with _serving(PageServer(settings)) as server, (folder / "chromium.log").open("wb") as log:
        command = [PROGRAM, *FLAGS, f"--user-data-dir={folder / 'profile'}", f"{server.origin}/"]
        environment = {"PATH": os.environ["PATH"], "HOME": str(folder)}
        with subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment, start_new_session=True
        ) as browser:
            try:
                return server.outcomes.get(timeout=OPEN_S)
            except Empty:
                said = (folder / "chromium.log").read_text(errors="replace")
                raise AssertionError(f"the page said nothing within {OPEN_S} s:\n{said[-2000:]}") from None
            finally:
                os.killpg(browser.pid, signal.SIGKILL)


@contextmanager
def _serving(server: PageServer) -> Iterator[PageServer]:
    thread = Thread(target=server.serve_forever, args=(0.05,), name="page-server")
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
