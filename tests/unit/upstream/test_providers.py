"""How providers are addressed and authenticated."""

import pytest

from freetheai_gateway.dialects.protocol import DialectName
from freetheai_gateway.domain.pools import Timeouts
from freetheai_gateway.services.ports import Origin, ProviderCall, Readiness, UpstreamRequest
from freetheai_gateway.upstream.providers import APIS, HTTPProvider, ProviderConfig, parse_base_url


def _provider(
    keys: tuple[str, ...] = ("k1",), base_url: str = "https://api.z.ai/api/paas/v4", **fields: object
) -> HTTPProvider:
    return HTTPProvider(ProviderConfig("zai", "openai", base_url, keys, **fields))  # type: ignore[arg-type]


def _call(provider: HTTPProvider, key_index: int = 0, *, streamed: bool = False) -> UpstreamRequest:
    return provider.call(ProviderCall(DialectName.OPENAI_CHAT, "glm-5.1", b"{}", streamed), key_index)


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


def test_key_is_the_one_that_was_chosen() -> None:
    """By its number in the configuration."""
    provider = _provider(("k1", "k2", "k3"))
    used = [dict(_call(provider, index).headers)[b"authorization"][-2:] for index in (2, 0, 1)]
    assert used == [b"k3", b"k1", b"k2"]


def test_terms_tell_keys_and_addresses_apart_without_holding_them() -> None:
    """What a reload compares."""
    one, other = _provider(("sk-1", "sk-2")), _provider(("sk-2",), "https://other.example")
    assert one.terms.keys[1] == other.terms.keys[0] != one.terms.keys[0]
    assert one.terms.place != other.terms.place
    assert "sk-" not in repr(one.terms)
    assert "z.ai" not in repr(one.terms)


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
    assert provider.dialects == (DialectName.OPENAI_CHAT, DialectName.OPENAI_EMBEDDINGS)
    assert (provider.name, provider.terms.max_concurrency, provider.shared_with_members) == ("zai", 3, False)


def test_configuration_when_printed_then_no_secret_is_shown() -> None:
    """Keys, a proxy's password and the operator's headers."""
    headers = (("x", "secret"),)
    config = ProviderConfig("zai", "openai", "https://x", ("sk-secret",), "http://u:secret@p", headers=headers)
    assert "secret" not in repr(config)


@pytest.mark.parametrize("api", sorted(APIS))
def test_every_kind_of_provider_can_be_called_in_its_dialects(api: str) -> None:
    """A row of the table is complete."""
    base_path = APIS[api].version_path or "/v1"
    provider = HTTPProvider(ProviderConfig("p", api, f"https://upstream.example{base_path}", ("k1",)))
    for dialect in APIS[api].paths:
        assert dialect in provider.dialects
        call = provider.call(ProviderCall(dialect, "m/1", b"{}", streamed=False), 0)
        assert call.target.startswith("/v1")
        assert "/v1/v1" not in call.target
        assert "m/1" not in call.target
        assert any(b"k1" in value for _, value in call.headers)
        assert "k1" not in call.target


@pytest.mark.parametrize(
    ("api", "target"), [("openai", "/v1/models"), ("anthropic", "/v1/models"), ("gemini", "/v1beta/models")]
)
def test_list_of_models_is_asked_for_with_the_key_and_within_seconds(api: str, target: str) -> None:
    """What a check sends."""
    base = "https://p.example/v1" if api == "openai" else "https://p.example"
    asked = HTTPProvider(ProviderConfig("p", api, base, ("k1", "k2"))).list_models(1)
    assert asked is not None
    assert (asked.method, asked.target, asked.body, asked.timeouts.total_s) == ("GET", target, b"", 10.0)
    assert any(b"k2" in value for _, value in asked.headers)


@pytest.mark.parametrize("base_url", ["https://api.anthropic.com", "https://api.anthropic.com/v1"])
def test_anthropic_call_has_its_version_and_key_headers(base_url: str) -> None:
    """The client's own version goes upstream in its place; a base URL that ends in /v1 is not doubled."""
    provider = HTTPProvider(ProviderConfig("p", "anthropic", base_url, ("k1",)))
    sent = ProviderCall(DialectName.ANTHROPIC_MESSAGES, "claude", b"{}", streamed=True)
    call = provider.call(sent, 0)
    assert call.target == "/v1/messages"
    headers = dict(call.headers)
    assert (headers[b"x-api-key"], headers[b"anthropic-version"]) == (b"k1", b"2023-06-01")
    own = ((b"anthropic-version", b"2099-01-01"), (b"anthropic-beta", b"a,b"))
    forwarded = provider.call(
        ProviderCall(DialectName.ANTHROPIC_MESSAGES, "claude", b"{}", streamed=True, headers=own), 0
    ).headers
    assert [value for name, value in forwarded if name == b"anthropic-version"] == [b"2099-01-01"]
    assert (b"anthropic-beta", b"a,b") in forwarded


@pytest.mark.parametrize(
    ("streamed", "target"),
    [
        (False, "/v1beta/models/gemini-3-pro:generateContent"),
        (True, "/v1beta/models/gemini-3-pro:streamGenerateContent?alt=sse"),
    ],
)
@pytest.mark.parametrize("base_url", ["https://g.example", "https://g.example/v1beta"])
def test_gemini_call_has_the_model_in_its_path(base_url: str, streamed: bool, target: str) -> None:
    """And its key in a header of its own, never in the query."""
    provider = HTTPProvider(ProviderConfig("p", "gemini", base_url, ("k1",)))
    call = provider.call(ProviderCall(DialectName.GEMINI, "gemini-3-pro", b"{}", streamed), 0)
    assert call.target == target
    assert dict(call.headers)[b"x-goog-api-key"] == b"k1"
