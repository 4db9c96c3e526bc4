"""Strings that have a form: what is refused, with its words, and what comes out of the good ones."""

from collections.abc import Callable

import pytest

from freetheai_gateway.settings import forms
from freetheai_gateway.settings.marks import BadValue

PUBLIC_KEY = "0123456789abcdef" * 4

BAD = [
    (forms.name, "  ", "must not be empty", ""),
    (forms.name, "a\nb", "must not hold control characters or line breaks", ""),
    (forms.name, "a" * 101, "is longer than 100 characters", ""),
    (forms.prose, "a\x07", "must not hold control characters", ""),
    (forms.word, "", "must not be empty", ""),
    (forms.word, "a b", "must not hold spaces or control characters", ""),
    (forms.provider_name, "-x",
     "must be letters, digits, dots, dashes and underscores, and begin with a letter or digit", ""),
    (forms.model_id, "full", '"full" is a route of its own below /v1/models/', ""),
    (forms.pattern, "a*b*c*d*e*f", "has more than 4 wildcards", ""),
    (forms.host, "http://x", "is no address or host name", 'such as "127.0.0.1", "0.0.0.0" or "::"'),
    (forms.http_url, "ftp://x", "has the wrong scheme", "expected https://HOST…"),
    (forms.http_url, "example.org", "has no scheme", "expected https://HOST…"),
    (forms.http_url, "https://", "has no host", "expected https://HOST…"),
    (forms.http_url, "https://[::1", "is no URL", "expected https://HOST…"),
    (forms.http_url, "https://x:99999", "is no URL", "expected https://HOST…"),
    (forms.http_url, "https://a b", "a URL holds no spaces or control characters", "expected https://HOST…"),
    (forms.http_url, "https://u:p@x", "must not hold a user name or password", ""),
    (forms.public_url, "https://x?a=1", "must not hold a query or fragment", ""),
    (forms.public_url, "https://x/v1/", "ends in /v1, which the gateway adds", "leave /v1 out"),
    (forms.base_url, "https://x/v1#a", "must not hold a query or fragment", ""),
    (forms.base_url, "https://x/v1/chat/completions", "ends in /chat/completions, which the gateway adds",
     "leave /chat/completions out"),
    (forms.proxy_url, "socks5://x:1", "has the wrong scheme", "expected http://HOST:PORT"),
    (forms.database_url, "mysql://x/y", "has the wrong scheme",
     "expected sqlite:///PATH or postgresql://USER:PASSWORD@HOST/DATABASE"),
    (forms.database_url, "postgresql://u:p@x", "names no database",
     "expected sqlite:///PATH or postgresql://USER:PASSWORD@HOST/DATABASE"),
    (forms.database_url, "sqlite://x.db", "names no database file",
     "expected sqlite:///PATH or postgresql://USER:PASSWORD@HOST/DATABASE"),
    (forms.database_url, "sqlite:///:memory:", "a database in memory can't be shared by the server and its commands",
     "name a file"),
    (forms.limits_backend, "memroy", "has no scheme", 'expected "memory" or redis://HOST:PORT/NUMBER'),
    (forms.limits_backend, "redis:///0", "has no host", 'expected "memory" or redis://HOST:PORT/NUMBER'),
    (forms.cidr, "10.0.0.1/8", '"10.0.0.1/8" has host bits set', 'did you mean "10.0.0.0/8"?'),
    (forms.cidr, "10.0.0.0/33", '"10.0.0.0/33" is no network', 'such as "10.0.0.0/8" or "::1"'),
    (forms.origin, "chat.example.org", '"chat.example.org" is no origin',
     'scheme and host, such as "https://chat.example.org", or "*"'),
    (forms.api_key, "", "must not be empty", ""),
    (forms.api_key, "a\nb", "must be one line of ASCII without spaces", ""),
    (forms.path, "", "must not be empty", ""),
    (forms.path, "a\0b", "must not hold control characters", ""),
    (forms.header_name, "a b", "is no header name", ""),
    (forms.header_name, "Content-Length", "is set by the gateway itself", ""),
    (forms.header_value, "a\r\nb: c", "must be one line of ASCII", ""),
    (forms.snowflake, "12", "is no Discord id", "15 to 21 digits; switch on Developer Mode and use Copy ID"),
    (forms.optional_public_key, "xyz", "is no public key",
     "64 hexadecimal digits, from the application's General Information page"),
    (forms.day_start, "24:00Z", '"24:00Z" is no time of day', 'such as "00:00Z" or "00:00-08:00"'),
    (forms.day_start, "00:00", '"00:00" is no time of day', 'such as "00:00Z" or "00:00-08:00"'),
]  # fmt: skip

GOOD = [
    (forms.name, "Ünïcode & more", "Ünïcode & more"),
    (forms.prose, "two\nlines", "two\nlines"),
    (forms.optional_word, "", ""),
    (forms.model_id, "or/meta/llama-3.1:free", "or/meta/llama-3.1:free"),
    (forms.pattern, "claude-*haiku*", "claude-*haiku*"),
    (forms.host, "::", "::"),
    (forms.optional_http_url, "", ""),
    (forms.http_url, "https://example.org/help", "https://example.org/help"),
    (forms.public_url, "https://api.example.org/", "https://api.example.org"),
    (forms.base_url, "https://api.z.ai/api/paas/v4/", "https://api.z.ai/api/paas/v4"),
    (forms.base_url, "", ""),
    (forms.proxy_url, "http://u:p@proxy:3128", "http://u:p@proxy:3128"),
    (forms.database_url, "postgresql://u:p@x/db", "postgresql://u:p@x/db"),
    (forms.limits_backend, "rediss://:p@x:6380/1", "rediss://:p@x:6380/1"),
    (forms.cidr, "::1", "::1/128"),
    (forms.origin, "http://localhost:3000", "http://localhost:3000"),
    (forms.header_name, "X-Team", "X-Team"),
    (forms.optional_public_key, PUBLIC_KEY.upper(), PUBLIC_KEY),
    (forms.day_start, "00:00-08:00", "00:00-08:00"),
]


@pytest.mark.parametrize(("form", "text", "message", "hint"), BAD)
def test_form_when_text_is_bad_then_refused(form: Callable[[str], str], text: str, message: str, hint: str) -> None:
    """Each form says in the same words what is wrong and what it wants."""
    with pytest.raises(BadValue) as refused:
        form(text)
    assert (refused.value.message, refused.value.hint) == (message, hint)


@pytest.mark.parametrize(("form", "text", "final"), GOOD)
def test_form_when_text_is_good_then_its_final_form_returned(form: Callable[[str], str], text: str, final: str) -> None:
    """Slashes at the end go, networks and hexadecimal are normal, everything else stays."""
    assert form(text) == final


@pytest.mark.parametrize("text", ["", "/a", "a/", "a//b", "a b", "a*", "a?b", "a#b", "a%2Fb", 'a"b', "a\u200bb"])
def test_model_id_when_a_path_could_not_hold_it_then_refused(text: str) -> None:
    """An id stands in URLs and in patterns, so what they read is not for it."""
    with pytest.raises(BadValue, match="is no model id"):
        forms.model_id(text)
