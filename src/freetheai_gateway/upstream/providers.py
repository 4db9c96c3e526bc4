"""How each kind of provider is addressed and authenticated. A new kind of provider is one more row of `APIS`."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from urllib.parse import urlsplit

from freetheai_gateway import __version__
from freetheai_gateway.dialects.protocol import DialectName
from freetheai_gateway.domain.pools import Timeouts
from freetheai_gateway.services.ports import Origin, Readiness, UpstreamRequest

_DEFAULT_PORTS = {"http": 80, "https": 443}
_USER_AGENT = f"freetheai-gateway/{__version__}".encode()


def _bearer(key: str) -> tuple[bytes, bytes]:
    return b"authorization", b"Bearer " + key.encode()


@dataclass(frozen=True, slots=True)
class Api:
    """One kind of provider: the path of each dialect below its base URL, and how it takes a key."""

    paths: Mapping[DialectName, str]
    credential: Callable[[str], tuple[bytes, bytes]] = _bearer


APIS: Mapping[str, Api] = {
    "openai": Api(paths={DialectName.OPENAI_CHAT: "/chat/completions"}),
}


@dataclass(frozen=True, slots=True)
class ProviderConfig:
    """What is known of a provider from the configuration; `base_url` without a trailing slash."""

    name: str
    api: str
    base_url: str
    api_keys: tuple[str, ...] = field(default=(), repr=False)
    proxy: str = field(default="", repr=False)
    max_concurrency: int = 0
    timeouts: Timeouts = field(default_factory=Timeouts)
    shared_with_members: bool = True
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)


def parse_base_url(url: str, proxy: str = "") -> tuple[Origin, str]:
    """Split a base URL into where to connect and the path that every target begins with."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    port = parts.port or _DEFAULT_PORTS[parts.scheme]
    return Origin(scheme=parts.scheme, host=host, port=port, proxy=proxy), parts.path.rstrip("/")


class HTTPProvider:
    """Implements `Provider` for a provider that is reached by a base URL and keys, which are used in turn."""

    def __init__(self, config: ProviderConfig) -> None:
        self._config = config
        self._api = APIS[config.api]
        self._origin, self._base_path = parse_base_url(config.base_url, config.proxy)
        self._turn = count()
        self._headers = {key: _call_headers(self._api.credential(key), config.headers) for key in config.api_keys}

    @property
    def name(self) -> str:
        """Its name in the configuration."""
        return self._config.name

    @property
    def max_concurrency(self) -> int:
        """How many calls may run at once; 0 = no limit."""
        return self._config.max_concurrency

    @property
    def shared_with_members(self) -> bool:
        """Whether accounts with limits may use it."""
        return self._config.shared_with_members

    def speaks(self, dialect: str) -> bool:
        """Whether it has this dialect natively."""
        return dialect in self._api.paths

    def readiness(self) -> Readiness:
        """Say whether it can be called; a provider without a key is listed but can't be."""
        return Readiness.READY if self._config.api_keys else Readiness.NOT_CONFIGURED

    def call(self, dialect: str, body: bytes, *, streamed: bool) -> UpstreamRequest:
        """Address and authenticate a rendered body; takes the next key in turn."""
        keys = self._config.api_keys
        key = keys[next(self._turn) % len(keys)]
        return UpstreamRequest(
            method="POST",
            origin=self._origin,
            target=self._base_path + self._api.paths[DialectName(dialect)],
            headers=self._headers[key],
            body=body,
            streamed=streamed,
            timeouts=self._config.timeouts,
        )


def _call_headers(credential: tuple[bytes, bytes], extra: Sequence[tuple[str, str]]) -> tuple[tuple[bytes, bytes], ...]:
    """Build the headers of every call: an operator's own ones replace ours of the same name."""
    headers = {
        b"content-type": b"application/json",
        b"accept": b"application/json, text/event-stream",
        b"accept-encoding": b"identity",
        b"user-agent": _USER_AGENT,
        credential[0]: credential[1],
    }
    headers.update((name.lower().encode(), value.encode()) for name, value in extra)
    return tuple(headers.items())
