"""The gateway as its users have it: a process, a configuration file and the command line beside it."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from freetheai_gateway import jsonc

UPSTREAM_KEY = "upstream-secret-1"
CANARY = "canary-prompt-5f1e"
"""Stands in every prompt of this suite and must never be found on disk."""
COMPLETION = "from the scripted upstream"
"""Stands in every plain answer of the scripted upstream."""

START_S = 20.0
STOP_S = 20.0
_URL = re.compile(r"http://127\.0\.0\.1:(\d+)/v1")
_COMPLAINTS = (
    "Traceback",
    "never retrieved",
    "never awaited",
    "was destroyed but",
    "Exception ignored",
    "Exception in callback",
    "Unhandled exception",
    "DeprecationWarning",
    "ResourceWarning",
)

Object = dict[str, object]
_decode_object: jsonc.Decoder[Object] = jsonc.Decoder(Object)


def eventually(condition: Callable[[], bool], what: str, *, within_s: float = 10.0) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, f"not within {within_s} s: {what}"
        time.sleep(0.01)


@dataclass(frozen=True, slots=True)
class Key:
    """A key as `keys create --json` shows it."""

    id: str
    account_id: str
    secret: str
    tier: int

    @property
    def bearer(self) -> dict[str, str]:
        """The header that presents it."""
        return {"authorization": f"Bearer {self.secret}"}


class Gateway:
    """A gateway that runs in `folder`, which holds its configuration, database, journal and output."""

    def __init__(self, folder: Path, config: str) -> None:
        self.folder = folder
        self.config = folder / "freetheai.toml"
        self.config.write_text(config)
        self.secrets: list[str] = [UPSTREAM_KEY]
        """What may stand in none of the files."""
        self.port = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "PYTHONUNBUFFERED": "1",
            "TEST_UPSTREAM_KEY": UPSTREAM_KEY,
        }

    # --- life ---

    def start(self) -> None:
        """Start the process and wait until it says that it accepts connections."""
        with (self.folder / "stdout.log").open("wb") as out, (self.folder / "stderr.log").open("ab") as err:
            self._process = subprocess.Popen(
                [*self._program, "serve", "--config", str(self.config), "--port", "0"],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                cwd=self.folder,
                env=self._environment,
            )
        eventually(self._ready, "the banner with the gateway's address", within_s=START_S)

    def _ready(self) -> bool:
        assert self.process.poll() is None, f"the gateway ended at once:\n{self.output()}"
        # The banner may be half written: only a line that is complete counts.
        lines = (self.folder / "stdout.log").read_text().splitlines(keepends=True)
        found = next((match for line in lines if line.endswith("\n") and (match := _URL.search(line))), None)
        self.port = int(found[1]) if found else 0
        return found is not None

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """The process, which must have been started."""
        assert self._process is not None
        return self._process

    @property
    def running(self) -> bool:
        """Whether the process lives."""
        return self._process is not None and self._process.poll() is None

    def signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        self.process.send_signal(number)

    def wait(self, within_s: float = STOP_S) -> int:
        """Wait for the end; returns the exit code."""
        return self.process.wait(within_s)

    def stop(self) -> None:
        """End it with SIGTERM; it must exit with 0 and have complained of nothing."""
        self.signal(signal.SIGTERM)
        code = self.wait()
        assert code == 0, f"exit code {code}:\n{self.output()}"
        self.check_output()

    def kill(self) -> None:
        """End it with SIGKILL, whatever it does."""
        if self.running:
            self.process.kill()
        if self._process is not None:
            self._process.wait(STOP_S)

    # --- what it left ---

    def output(self) -> str:
        """Read what it wrote on stderr."""
        return (self.folder / "stderr.log").read_text(errors="replace")

    def check_output(self) -> None:
        """Find neither a traceback nor a warning of asyncio on stderr."""
        text = self.output()
        found = [complaint for complaint in _COMPLAINTS if complaint in text]
        assert not found, f"stderr says {found}:\n{text[-4000:]}"

    def check_files(self) -> None:
        """Find no prompt, no completion and no key in any file of the folder."""
        forbidden = [text.encode() for text in (CANARY, COMPLETION, *self.secrets)]
        for path in self.folder.rglob("*"):
            if path.is_file():
                data = _read(path)
                found = [text[:12].decode() for text in forbidden if text in data]
                assert not found, f"{path.name} holds {found}"

    def log_lines(self) -> list[Object]:
        """Read the request lines of the log: those that name a request and a status."""
        lines = []
        for line in self.output().splitlines():
            if line.startswith("{") and line.endswith("}"):
                fields = _decode_object(line)
                if "request_id" in fields and "status" in fields:
                    lines.append(fields)
        return lines

    # --- the command line ---

    @property
    def _program(self) -> list[str]:
        return [sys.executable, "-m", "freetheai_gateway"]

    def run(self, *arguments: str) -> subprocess.CompletedProcess[bytes]:
        """Run a command in a process of its own."""
        return subprocess.run(
            [*self._program, *arguments, "--config", str(self.config)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            cwd=self.folder,
            env=self._environment,
            timeout=30,
        )

    def command(self, *arguments: str) -> Object:
        """Run a command with `--json`; it must succeed."""
        done = self.run(*arguments, "--json")
        assert done.returncode == 0, f"{arguments}: {done.returncode}\n{done.stderr.decode()}"
        return _decode_object(done.stdout)

    def create_key(self, name: str, *, tier: int | None = None) -> Key:
        """Create an account with a key: on a tier, or without limits."""
        choice = ["--unlimited"] if tier is None else ["--tier", str(tier)]
        made = self.command("keys", "create", "--name", name, *choice)
        key = Key(str(made["id"]), str(made["account_id"]), str(made["key"]), int(str(made["tier"])))
        self.secrets.append(key.secret)
        return key

    def create_keys(self, tiers: dict[str, int | None]) -> dict[str, Key]:
        """Create several accounts at once, by name and tier."""
        with ThreadPoolExecutor(2) as pool:
            made = pool.map(lambda item: self.create_key(item[0], tier=item[1]), tiers.items())
            return dict(zip(tiers, made, strict=True))

    def usage(self, by: str = "day") -> list[Object]:
        """Read `usage --by …`."""
        rows = self.command("usage", "--by", by)["data"]
        assert isinstance(rows, list)
        return rows

    def find_request(self, request_id: str) -> Object | None:
        """Read `requests show ID`; `None` while there is no record."""
        done = self.run("requests", "show", request_id, "--json")
        return _decode_object(done.stdout) if done.returncode == 0 else None

    def find_requests(self, request_ids: Sequence[str]) -> list[Object | None]:
        """Read several records, two processes at a time."""
        with ThreadPoolExecutor(2) as pool:
            return list(pool.map(self.find_request, request_ids))

    # --- addresses ---

    @property
    def url(self) -> str:
        """The root."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def base_url(self) -> str:
        """What an OpenAI client takes as its base URL."""
        return f"{self.url}/v1"


def _read(path: Path) -> bytes:
    """Read a file that was listed; a journal that has reached the database by now is gone, and the database is read."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""


@contextmanager
def running(folder: Path, config: str) -> Iterator[Gateway]:
    """Run a gateway; at the end it is stopped properly and leaves no trace of a prompt."""
    gateway = Gateway(folder, config)
    try:
        gateway.start()
        yield gateway
        if gateway.running:
            gateway.stop()
        gateway.check_output()
        gateway.check_files()
    finally:
        gateway.kill()
