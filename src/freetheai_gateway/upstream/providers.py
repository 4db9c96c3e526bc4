"""How each kind of provider is addressed and authenticated. A new kind of provider is one more row of `APIS`."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from urllib.parse import quote, urlsplit

import msgspec

from freetheai_gateway import __version__
from freetheai_gateway.dialects.protocol import DialectName
from freetheai_gateway.domain.pools import KeyLimits, Terms, Timeouts
from freetheai_gateway.services.ports import Origin, ProviderCall, Readiness, UpstreamRequest

Headers = tuple[tuple[bytes, bytes], ...]

CHECK_S = 10.0
"""How long a list of models may take."""
_DEFAULT_PORTS = {"http": 80, "https": 443}
_DOMAIN_LABELS = 2
"""Of the domain that a provider's regional hosts share: `api.bfl.ai` and `api.eu1.bfl.ai`."""
_USER_AGENT = f"freetheai-gateway/{__version__}".encode()


def _bearer(key: str) -> tuple[bytes, bytes]:
    return b"authorization", b"Bearer " + key.encode()


def _x_api_key(key: str) -> tuple[bytes, bytes]:
    return b"x-api-key", key.encode()


def _x_goog_api_key(key: str) -> tuple[bytes, bytes]:
    return b"x-goog-api-key", key.encode()


def _x_key(key: str) -> tuple[bytes, bytes]:
    return b"x-key", key.encode()


def _key_word(key: str) -> tuple[bytes, bytes]:
    return b"authorization", b"Key " + key.encode()


def _fixed(path: str) -> Callable[[ProviderCall], str]:
    return lambda _call: path


def _gemini_path(call: ProviderCall) -> str:
    method = "streamGenerateContent?alt=sse" if call.streamed else "generateContent"
    return f"/v1beta/models/{quote(call.model, safe='')}:{method}"


@dataclass(frozen=True, slots=True)
class Api:
    """One kind of provider: the path of each dialect below its base URL, and how it takes a key.

    `version_path`: what paths begin with and a base URL may already end in; it is not doubled then.
    `headers`: sent with every call, unless the client or the operator sends the same one.
    """

    paths: Mapping[DialectName, Callable[[ProviderCall], str]]
    credential: Callable[[str], tuple[bytes, bytes]] = _bearer
    version_path: str = ""
    headers: Headers = ()
    lists_models: bool = True
    fetches: tuple[str, ...] = ()
    """Beginnings of the addresses of pictures that it fetches by itself."""


_EVERYTHING = ("",)
_GOOGLE_FILES = ("https://generativelanguage.googleapis.com/", "gs://")

APIS: Mapping[str, Api] = {
    "openai": Api(
        paths={
            DialectName.OPENAI_CHAT: _fixed("/chat/completions"),
            DialectName.OPENAI_EMBEDDINGS: _fixed("/embeddings"),
        },
        fetches=_EVERYTHING,
    ),
    "openai-responses": Api(paths={DialectName.OPENAI_RESPONSES: _fixed("/responses")}, fetches=_EVERYTHING),
    "anthropic": Api(
        paths={DialectName.ANTHROPIC_MESSAGES: _fixed("/v1/messages")},
        credential=_x_api_key,
        version_path="/v1",
        headers=((b"anthropic-version", b"2023-06-01"),),
        fetches=_EVERYTHING,
    ),
    "gemini": Api(
        paths={DialectName.GEMINI: _gemini_path},
        credential=_x_goog_api_key,
        version_path="/v1beta",
        fetches=_GOOGLE_FILES,
    ),
    "openai-images": Api(paths={}),
    "gemini-images": Api(paths={}, credential=_x_goog_api_key, version_path="/v1beta"),
    "bfl": Api(paths={}, credential=_x_key, version_path="/v1", lists_models=False),
    "fal": Api(paths={}, credential=_key_word, lists_models=False),
    "ark": Api(paths={}, lists_models=False),
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
    key_limits: KeyLimits = field(default_factory=KeyLimits)
    daily_budget_micro_usd: int = 0
    timeouts: Timeouts = field(default_factory=Timeouts)
    shared_with_members: bool = True
    fetches_image_urls: bool | None = None
    """Whether it fetches every address of a picture; `None` = as its kind does."""
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)


def parse_base_url(url: str, proxy: str = "") -> tuple[Origin, str]:
    """Split a base URL into where to connect and the path that every target begins with."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    port = parts.port or _DEFAULT_PORTS[parts.scheme]
    return Origin(scheme=parts.scheme, host=host, port=port, proxy=proxy), parts.path.rstrip("/")


class HTTPProvider:
    """Implements `Provider` for a provider that is reached by a base URL and keys."""

    def __init__(self, config: ProviderConfig) -> None:
        self._config = config
        self._api = APIS[config.api]
        self._origin, self._base_path = parse_base_url(config.base_url, config.proxy)
        self._terms = Terms(
            keys=tuple(_fingerprint(key) for key in config.api_keys),
            place=_fingerprint(f"{config.api} {config.base_url} {config.proxy}"),
            max_concurrency=config.max_concurrency,
            key_limits=config.key_limits,
            daily_budget_micro_usd=config.daily_budget_micro_usd,
        )
        self._readiness = Readiness.READY if config.api_keys else Readiness.NOT_CONFIGURED
        self._dialects = tuple(self._api.paths)
        if self._api.version_path:
            self._base_path = self._base_path.removesuffix(self._api.version_path)
        own = config.fetches_image_urls
        self.fetches = self._api.fetches if own is None else _EVERYTHING if own else ()
        """Beginnings of the addresses of pictures that it fetches by itself."""
        self._headers = [_call_headers(self._api, key, config.headers) for key in config.api_keys]

    @property
    def name(self) -> str:
        """Its name in the configuration."""
        return self._config.name

    @property
    def terms(self) -> Terms:
        """What holds for calls to it."""
        return self._terms

    @property
    def shared_with_members(self) -> bool:
        """Whether accounts with limits may use it."""
        return self._config.shared_with_members

    @property
    def dialects(self) -> tuple[DialectName, ...]:
        """What it speaks, the one to translate into first."""
        return self._dialects

    def readiness(self) -> Readiness:
        """Say whether it can be called; a provider without a key is listed but can't be."""
        return self._readiness

    def call(self, call: ProviderCall, key_index: int) -> UpstreamRequest:
        """Address and authenticate a rendered request with one of the keys."""
        headers = self._headers[key_index]
        if call.headers:
            own = {name for name, _ in call.headers}
            headers = (*(pair for pair in headers if pair[0] not in own), *call.headers)
        return UpstreamRequest(
            method="POST",
            origin=self._origin,
            target=self._base_path + self._api.paths[call.dialect](call) + call.operation,
            headers=headers,
            body=call.body,
            streamed=call.streamed,
            timeouts=self._config.timeouts,
        )

    def list_models(self, key_index: int) -> UpstreamRequest | None:
        """Ask for the list of models, which most kinds of providers have below their base path."""
        if not self._api.lists_models:
            return None
        return UpstreamRequest(
            method="GET",
            origin=self._origin,
            target=f"{self._base_path}{self._api.version_path}/models",
            headers=tuple(pair for pair in self._headers[key_index] if pair[0] != b"content-type"),
            timeouts=replace(self._config.timeouts, total_s=min(self._config.timeouts.total_s, CHECK_S)),
        )

    def request(
        self, method: str, path: str, key_index: int, body: bytes = b"", content_type: bytes = b"application/json"
    ) -> UpstreamRequest:
        """Address and authenticate a call of a path below the base URL that is no dialect's."""
        return self._request(method, self._base_path + path, key_index, body, content_type)

    def is_own(self, url: str) -> bool:
        """Whether an address that the provider gave is one of its own: its host, or one of the same domain."""
        parts = urlsplit(url)
        host, own = parts.hostname or "", self._origin.host
        if parts.scheme != self._origin.scheme:
            return False
        if host == own:
            return (parts.port or _DEFAULT_PORTS[parts.scheme]) == self._origin.port
        domain = own.split(".")[-_DOMAIN_LABELS:]
        return parts.scheme == "https" and len(domain) == _DOMAIN_LABELS and host.endswith("." + ".".join(domain))

    def own_request(self, method: str, url: str, key_index: int) -> UpstreamRequest:
        """Address and authenticate a call of an address that the provider gave.

        One that is not the provider's own is looked for at the provider: a key never goes to a host that a reply
        names.
        """
        parts = urlsplit(url)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        if not self.is_own(url):
            return self._request(method, self._base_path + target, key_index)
        origin, _ = parse_base_url(url, self._config.proxy)
        return msgspec.structs.replace(self._request(method, target, key_index), origin=origin)

    def _request(
        self, method: str, target: str, key_index: int, body: bytes = b"", content_type: bytes = b"application/json"
    ) -> UpstreamRequest:
        headers = self._headers[key_index]
        return UpstreamRequest(
            method=method,
            origin=self._origin,
            target=target,
            headers=tuple((name, content_type if name == b"content-type" else value) for name, value in headers),
            body=body,
            timeouts=self._config.timeouts,
        )


def _fingerprint(text: str) -> str:
    """Tell values apart without keeping them."""
    return sha256(text.encode()).hexdigest()[:16]


def _call_headers(api: Api, key: str, extra: Sequence[tuple[str, str]]) -> Headers:
    """Build the headers of every call: an operator's own ones replace ours of the same name."""
    name, value = api.credential(key)
    headers = {
        b"content-type": b"application/json",
        b"accept": b"application/json, text/event-stream",
        b"accept-encoding": b"identity",
        b"user-agent": _USER_AGENT,
        **dict(api.headers),
        name: value,
    }
    headers.update((name.lower().encode(), value.encode()) for name, value in extra)
    return tuple(headers.items())
