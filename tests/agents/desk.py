"""Where a client is run: an empty home, an empty folder, and no way out but to the gateway."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

RUN_S = 60


@dataclass(frozen=True, slots=True)
class Done:
    """How a program ended."""

    code: int
    out: str
    err: str

    def __str__(self) -> str:
        """Show all of it, for a failed assertion."""
        return f"exit code {self.code}\n{self.out[-3000:]}\n{self.err[-3000:]}"


class Desk:
    """`url` is the root of the gateway, `secret` the key that it gave."""

    def __init__(self, folder: Path, packages: Path, url: str, secret: str, wall: Mapping[str, str]) -> None:
        self.packages = packages
        """Where the npm packages are installed."""
        self.url = url
        self.secret = secret
        self.golden = ""
        """The name under which `--record` keeps the last request; empty = it is not kept."""
        self.home = folder / "home"
        self.work = folder / "work"
        self._wall = dict(wall)
        for made in (self.home, self.work):
            made.mkdir()

    def run(self, command: Sequence[str | Path], environment: Mapping[str, str]) -> Done:
        """Run a program in the work folder, with no environment but the one it is given."""
        basics = {"PATH": os.environ["PATH"], "HOME": str(self.home), "LANG": "C.UTF-8"}
        done = subprocess.run(
            command,
            cwd=self.work,
            env={**basics, **self._wall, **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=RUN_S,
        )
        return Done(done.returncode, done.stdout.decode(), done.stderr.decode())
