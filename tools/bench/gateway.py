"""The gateway as an operator runs it, by its command line and its configuration file: governed, accounted, logged."""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import msgspec

_HEAD = """\
[database]
url = "sqlite:///bench.db"

[journal]
directory = "journal"

[log]
format = "json"

# Every rule is evaluated for every request, and none ever refuses.
[[tiers]]
level = 1
name = "Bench"
requests_per_minute = 100_000_000
concurrency = 100_000
daily_requests = 1_000_000_000
tokens_per_minute = 1_000_000_000_000

[[families]]
name = "Bench"
models = ["bench/*"]
"""
_OFFER = """
[[providers]]
name = "{kind}"
api = "openai"
base_url = "{scheme}://127.0.0.1:{port}/v1"
api_keys = ["bench-upstream-key"]
max_concurrency = 100_000

[[models]]
id = "bench/{kind}"
[[models.upstreams]]
provider = "{kind}"
model = "{upstream_model}"
price_usd = {{ input_per_million = 0.6, output_per_million = 2.2 }}
"""


class _Issued(msgspec.Struct):
    key: str


def write_configuration(directory: Path, *, upstreams: Mapping[str, int], upstream_model: str) -> Path:
    """Write a configuration with a model `bench/KIND` for each kind of upstream."""
    directory.mkdir()
    path = directory / "freetheai.toml"
    path.write_text(
        _HEAD
        + "".join(
            _OFFER.format(
                kind=kind,
                scheme="https" if kind.endswith("_tls") else "http",
                port=port,
                upstream_model=upstream_model,
            )
            for kind, port in upstreams.items()
        )
    )
    return path


def serve_command(configuration: Path, port: int) -> list[str | Path]:
    """Build the command that serves."""
    return [*_freetheai("serve", configuration), "--port", str(port)]


def create_key(configuration: Path) -> str:
    """Make an account on the tier whose limits are never reached. Raises `subprocess.CalledProcessError`."""
    done = subprocess.run(
        [*_freetheai("keys", "create", configuration), "--name", "bench", "--tier", "1", "--json"],
        check=True,
        capture_output=True,
    )
    return msgspec.json.decode(done.stdout, type=_Issued).key


def _freetheai(*words: str | Path) -> list[str | Path]:
    *command, configuration = words
    return [sys.executable, "-m", "freetheai_gateway", *command, "--config", configuration]
