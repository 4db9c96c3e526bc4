"""Which pages may read answers, and what a preflight is told."""

import pytest

from freetheai_gateway.dialects.anthropic_messages import AnthropicMessages
from freetheai_gateway.dialects.openai_chat import OpenAIChat
from freetheai_gateway.domain.limits import Rule, Standing
from freetheai_gateway.services.limit_headers import limit_headers
from freetheai_gateway.testing.asgi import Client
from freetheai_gateway.web.cors import ANY_ORIGIN, MAX_AGE_S, CrossOrigin

PAGE, OTHER = b"https://chat.example", b"https://evil.example"


def test_headers_when_any_origin_is_allowed_then_a_star_is_sent() -> None:
    """Keys are headers that a page must set itself, so nothing has to be kept from anyone."""
    assert CrossOrigin(["https://a.example", "*"]).headers(OTHER) == ANY_ORIGIN
    assert dict(ANY_ORIGIN)[b"access-control-allow-origin"] == b"*"


def test_headers_when_an_origin_is_listed_then_it_is_named_and_caches_are_told() -> None:
    """The answer depends on who asks, so a shared cache must not mix them up."""
    headers = dict(CrossOrigin([PAGE.decode()]).headers(PAGE))
    assert headers[b"access-control-allow-origin"] == PAGE
    assert headers[b"vary"] == b"origin"
    assert headers[b"access-control-expose-headers"]


@pytest.mark.parametrize("origins", [[], [PAGE.decode()]])
def test_headers_when_an_origin_is_not_listed_then_it_may_read_nothing(origins: list[str]) -> None:
    """Nor does the answer say who may."""
    assert dict(CrossOrigin(origins).headers(OTHER)) == {b"vary": b"origin"}


def test_headers_when_credentials_are_asked_for_then_they_are_never_allowed() -> None:
    """There are no cookies on the API, and a star with credentials would be void anyway."""
    for cross_origin in (CrossOrigin(["*"]), CrossOrigin([PAGE.decode()])):
        assert b"access-control-allow-credentials" not in dict(cross_origin.headers(PAGE))


@pytest.mark.parametrize("dialect", [OpenAIChat(), AnthropicMessages()])
def test_exposed_when_limit_headers_are_sent_then_pages_may_read_each_of_them(
    dialect: OpenAIChat | AnthropicMessages,
) -> None:
    """A new header that is not listed would be invisible to browsers."""
    exposed = dict(ANY_ORIGIN)[b"access-control-expose-headers"].split(b", ")
    sent = limit_headers([Standing(rule, 2, 1, 1.0) for rule in Rule], dialect.limit_headers, 0.0)
    others = {b"x-request-id", b"request-id", b"server-timing", b"retry-after", b"x-should-retry", b"etag"}
    assert {name for name, _ in sent} | others <= set(exposed)


def test_preflight_when_headers_are_asked_for_then_they_are_echoed() -> None:
    """SDKs send headers of their own, and tomorrow others."""
    asked = b"authorization,content-type,x-stainless-os"
    request = Client("OPTIONS", headers=[(b"access-control-request-headers", asked)]).request
    assert dict(CrossOrigin.preflight(request, ["POST"])) == {
        b"access-control-allow-methods": b"OPTIONS, POST",
        b"access-control-allow-headers": asked,
        b"access-control-max-age": b"%d" % MAX_AGE_S,
        b"vary": b"access-control-request-headers",
    }


def test_preflight_when_no_headers_are_asked_for_then_those_with_a_key_are_named() -> None:
    """What a client needs to send at all."""
    headers = dict(CrossOrigin.preflight(Client("OPTIONS").request, ["GET", "HEAD"]))
    assert headers[b"access-control-allow-headers"] == b"authorization, content-type, x-api-key"
    assert headers[b"access-control-allow-methods"] == b"GET, HEAD, OPTIONS"
