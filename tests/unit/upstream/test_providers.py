"""How providers are addressed and authenticated."""

import pytest

from freetheai_gateway.domain.pools import Timeouts
from freetheai_gateway.services.ports import Origin, Readiness, UpstreamRequest
from freetheai_gateway.upstream.providers import APIS, HTTPProvider, ProviderConfig, parse_base_url


def _provider(
    keys: tuple[str, ...] = ("k1",), base_url: str = "https://api.z.ai/api/paas/v4", **fields: object
) -> HTTPProvider:
    return HTTPProvider(ProviderConfig("zai", "openai", base_url, keys, **fields))  # type: ignore[arg-type]


def _call(provider: HTTPProvider, *, streamed: bool = False) -> UpstreamRequest:
    return provider.call("openai_chat", b"{}", streamed=streamed)


@pytest.mark.parametrize(
    ("url", "origin", "path"),
    [
        ("https://api.openai.com/v1", Origin("https", "api.openai.com", 443), "/v1"),
        ("https://api.openai.com/v1/", Origin("https", "api.openai.com", 443), "/v1"),
        ("http://localhost:11434/v1", Origin("http", "localhost", 11434), "/v1"),
        ("http://Host.Example", Origin("http", "host.example", 80), ""),
        ("https://[::1]:8443/a/b", Origin("https", "::1", 8443), "/a/b"),
    ],
)
def test_base_url_is_an_origin_and_the_beginning_of_every_target(url: str, origin: Origin, path: str) -> None:
    """Ports have their scheme's default."""
    assert parse_base_url(url) == (origin, path)


def test_call_has_target_key_and_the_headers_of_every_call() -> None:
    """Credentials in headers only, no compression asked for."""
    call = _call(_provider(timeouts=Timeouts(connect_s=1.0)), streamed=True)
    assert (call.method, call.target, call.body, call.streamed) == (
        "POST",
        "/api/paas/v4/chat/completions",
        b"{}",
        True,
    )
    assert call.origin == Origin("https", "api.z.ai", 443)
    assert call.timeouts.connect_s == 1.0
    headers = dict(call.headers)
    assert headers[b"authorization"] == b"Bearer k1"
    assert headers[b"accept-encoding"] == b"identity"
    assert headers[b"content-type"] == b"application/json"
    assert b"freetheai-gateway/" in headers[b"user-agent"]


def test_keys_are_used_in_turn() -> None:
    """Each as often as the others."""
    provider = _provider(("k1", "k2", "k3"))
    used = [dict(_call(provider).headers)[b"authorization"][-2:] for _ in range(7)]
    assert used == [b"k1", b"k2", b"k3", b"k1", b"k2", b"k3", b"k1"]


def test_headers_of_the_operator_replace_ours_of_the_same_name() -> None:
    """Whatever their case; a header is never sent twice."""
    provider = _provider(headers=(("X-Team", "a"), ("User-Agent", "mine"), ("Authorization", "Key x")))
    names = [name for name, _ in _call(provider).headers]
    headers = dict(_call(provider).headers)
    assert (headers[b"x-team"], headers[b"user-agent"], headers[b"authorization"]) == (b"a", b"mine", b"Key x")
    assert len(names) == len(set(names))


def test_proxy_is_part_of_the_origin() -> None:
    """Connections through it are pooled apart."""
    assert _call(_provider(proxy="http://proxy.example:3128")).origin.proxy == "http://proxy.example:3128"


def test_provider_without_a_key_is_not_configured() -> None:
    """Listed, but it can't be called."""
    assert _provider(()).readiness() is Readiness.NOT_CONFIGURED
    assert _provider().readiness() is Readiness.READY


def test_provider_speaks_the_dialects_of_its_kind() -> None:
    """And no others."""
    provider = _provider(max_concurrency=3, shared_with_members=False)
    assert provider.speaks("openai_chat")
    assert not provider.speaks("anthropic_messages")
    assert not provider.speaks("nonsense")
    assert (provider.name, provider.max_concurrency, provider.shared_with_members) == ("zai", 3, False)


def test_configuration_when_printed_then_no_secret_is_shown() -> None:
    """Keys, a proxy's password and the operator's headers."""
    config = ProviderConfig(
        "zai", "openai", "https://x", ("sk-secret",), "http://u:secret@p", headers=(("x", "secret"),)
    )
    assert "secret" not in repr(config)


@pytest.mark.parametrize("api", sorted(APIS))
def test_every_kind_of_provider_can_be_called_in_its_dialects(api: str) -> None:
    """A row of the table is complete."""
    provider = HTTPProvider(ProviderConfig("p", api, "https://upstream.example/v1", ("k1",)))
    for dialect in APIS[api].paths:
        assert provider.speaks(dialect)
        call = provider.call(dialect, b"{}", streamed=False)
        assert call.target.startswith("/v1/")
        assert "/v1/v1" not in call.target
        assert any(b"k1" in value for _, value in call.headers)
        assert "k1" not in call.target
