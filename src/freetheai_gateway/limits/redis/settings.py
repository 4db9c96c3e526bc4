"""Where Redis is, and how long things may take there."""

from dataclasses import dataclass, field
from urllib.parse import parse_qs, unquote, urlsplit

_DEFAULT_PORT = 6379


@dataclass(frozen=True, slots=True)
class RedisTarget:
    """Where Redis is and who one is there."""

    host: str
    port: int = _DEFAULT_PORT
    database: int = 0
    username: str = ""
    password: str = field(default="", repr=False)
    tls: bool = False


@dataclass(frozen=True, slots=True)
class RedisSettings:
    """Gateways that share accounts share `prefix`, which begins every key and channel. Times in seconds."""

    target: RedisTarget
    prefix: str = "freetheai:"
    deadline_s: float = 0.5
    """How long an answer may take before Redis counts as away."""
    lease_s: float = 24.0
    """How long a slot outlives a node that died; it is renewed three times in that."""
    round_s: float = 0.25
    """Pause between two rounds in which gateways tell each other what they used of their providers."""
    retry_max_s: float = 1.0
    """Longest pause between tries to connect."""


def parse_target(url: str) -> RedisTarget:
    """Read `redis://[user:password@]host[:port][/database]`; `rediss` speaks TLS. The URL has been validated."""
    parts = urlsplit(url)
    number = parts.path.strip("/") or parse_qs(parts.query).get("db", ["0"])[0]
    return RedisTarget(
        host=parts.hostname or "127.0.0.1",
        port=parts.port or _DEFAULT_PORT,
        database=int(number) if number.isdigit() else 0,
        username=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        tls=parts.scheme == "rediss",
    )
