"""What the Redis backend needs to know."""

from dataclasses import dataclass, field
from typing import Literal, TypeAlias
from urllib.parse import unquote, urlsplit

OnFailure: TypeAlias = Literal["local", "allow", "deny"]


@dataclass(frozen=True, slots=True)
class RedisSettings:
    """Where Redis is, and how long things may take, in seconds."""

    host: str = "127.0.0.1"
    port: int = 6379
    number: int = 0
    """Of the database."""
    username: str = ""
    password: str = field(default="", repr=False)
    tls: bool = False
    prefix: str = "freetheai:"
    """Begins every key and channel; gateways that share accounts share it."""
    on_failure: OnFailure = "local"
    deadline_s: float = 1.0
    """An answer that takes longer means that Redis is away."""
    lease_s: float = 15.0
    """A running request that nobody renews is over after this: what a node that died holds at most."""
    heartbeat_s: float = 4.0
    """Leases are renewed, and the connection is tried, this often."""

    @classmethod
    def at(cls, url: str, *, on_failure: OnFailure = "local", deadline_s: float = 1.0) -> "RedisSettings":
        """Read `redis://[[USER]:PASSWORD@]HOST[:PORT][/NUMBER]`, or `rediss://` for TLS."""
        parts = urlsplit(url)
        number = parts.path.strip("/")
        return cls(
            host=parts.hostname or "127.0.0.1",
            port=parts.port or 6379,
            number=int(number) if number.isdecimal() else 0,
            username=unquote(parts.username or ""),
            password=unquote(parts.password or ""),
            tls=parts.scheme == "rediss",
            on_failure=on_failure,
            deadline_s=deadline_s,
        )
