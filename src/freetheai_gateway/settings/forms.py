"""How strings of the configuration must look. Each function returns the final form or raises `BadValue`.

No message quotes a value that may hold a credential: addresses and keys are described, not shown.
"""

import re
from ipaddress import ip_network
from urllib.parse import SplitResult, urlsplit

from freetheai_gateway.settings.marks import BadValue
from freetheai_gateway.settings.problems import quoted

LONGEST_NAME = 100
MOST_WILDCARDS = 4
RESERVED_MODEL_IDS = frozenset({"full", "leaderboard"})
"""Words that are routes below `/v1/models/`."""

_PROVIDER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_MODEL_ID = re.compile(r'[^\s*?#%"\\/]+(/[^\s*?#%"\\/]+)*')
_HOST = re.compile(r"[A-Za-z0-9._:%-]+")
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_SNOWFLAKE = re.compile(r"[0-9]{15,21}")
_PUBLIC_KEY = re.compile(r"[0-9a-fA-F]{64}")
_DAY_START = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9](Z|[+-](0[0-9]|1[0-4]):[0-5][0-9])")
_ORIGIN = re.compile(r"https?://[^/?#@\s]+")
_OWN_HEADERS = frozenset({"host", "content-length", "connection", "transfer-encoding"})
_VENDOR_PATHS = ("/chat/completions", "/messages", "/responses", "/images/generations", "/images/edits", "/embeddings")


def name(text: str) -> str:
    """Accept a name that people read: one printable line."""
    if not text.strip():
        raise BadValue("must not be empty")
    if not text.isprintable():
        raise BadValue("must not hold control characters or line breaks")
    if len(text) > LONGEST_NAME:
        raise BadValue(f"is longer than {LONGEST_NAME} characters")
    return text


def optional_name(text: str) -> str:
    """Accept a name, or nothing."""
    return name(text) if text else text


def prose(text: str) -> str:
    """Accept text that people read; line breaks are fine, other control characters are not."""
    if not all(line.isprintable() for line in text.splitlines()):
        raise BadValue("must not hold control characters")
    return text


def word(text: str) -> str:
    """Accept a name on the wire, such as an upstream's model or a request field: printable, no spaces."""
    if not text:
        raise BadValue("must not be empty")
    if not text.isprintable() or " " in text:
        raise BadValue("must not hold spaces or control characters")
    return text


def optional_word(text: str) -> str:
    """Accept a word, or nothing."""
    return word(text) if text else text


def provider_name(text: str) -> str:
    """Accept the name that models call a provider by."""
    if not _PROVIDER.fullmatch(text):
        raise BadValue("must be letters, digits, dots, dashes and underscores, and begin with a letter or digit")
    return text


def model_id(text: str) -> str:
    """Accept an alias: it may hold slashes, dots and colons, but nothing that a path or a pattern would read."""
    if not _MODEL_ID.fullmatch(text) or not text.isprintable():
        raise BadValue(
            "is no model id",
            'without spaces and * ? # % " \\, no slash at the ends and no two slashes in a row: glm/glm-5.1',
        )
    if text.lower() in RESERVED_MODEL_IDS:
        raise BadValue(f"{quoted(text)} is a route of its own below /v1/models/")
    return text


def pattern(text: str) -> str:
    """Accept a pattern of model ids: `*` stands for any characters."""
    word(text)
    if text.count("*") > MOST_WILDCARDS:
        raise BadValue(f"has more than {MOST_WILDCARDS} wildcards")
    return text


def host(text: str) -> str:
    """Accept the address or host name to listen on."""
    if not _HOST.fullmatch(text):
        raise BadValue("is no address or host name", 'such as "127.0.0.1", "0.0.0.0" or "::"')
    return text


def _split(text: str, schemes: tuple[str, ...], expected: str) -> SplitResult:
    """Take a URL apart; everything that is wrong with one ends in `BadValue`, which does not show it."""
    hint = f"expected {expected}"
    if not text.isprintable() or " " in text:
        raise BadValue("a URL holds no spaces or control characters", hint)
    try:
        parts = urlsplit(text)
        parts.port  # noqa: B018  # judged when it is read
    except ValueError:
        raise BadValue("is no URL", hint) from None
    if parts.scheme not in schemes:
        raise BadValue("has the wrong scheme" if parts.scheme else "has no scheme", hint)
    if not parts.hostname:
        raise BadValue("has no host", hint)
    return parts


def http_url(text: str) -> str:
    """Accept a web address that is shown to people or called; it is kept without a slash at its end."""
    parts = _split(text, ("http", "https"), "https://HOST…")
    if "@" in parts.netloc:
        raise BadValue("must not hold a user name or password")
    return text.rstrip("/")


def optional_http_url(text: str) -> str:
    """Accept a web address, or nothing."""
    return http_url(text) if text else text


def public_url(text: str) -> str:
    """Accept where clients reach this server: scheme, host and perhaps a path."""
    http_url(text)
    if "?" in text or "#" in text:
        raise BadValue("must not hold a query or fragment")
    bare = text.rstrip("/")
    if bare.endswith("/v1"):
        raise BadValue("ends in /v1, which the gateway adds", "leave /v1 out")
    return bare


def base_url(text: str) -> str:
    """Accept where an upstream's paths begin, or nothing for the vendor's own address."""
    if not text:
        return text
    http_url(text)
    if "?" in text or "#" in text:
        raise BadValue("must not hold a query or fragment")
    bare = text.rstrip("/")
    for path in _VENDOR_PATHS:
        if bare.endswith(path):
            raise BadValue(f"ends in {path}, which the gateway adds", f"leave {path} out")
    return bare


def proxy_url(text: str) -> str:
    """Accept an HTTP proxy, or nothing."""
    if text:
        _split(text, ("http",), "http://HOST:PORT")
    return text


def database_url(text: str) -> str:
    """Accept SQLite by path or PostgreSQL by host; the driver is not for the configuration to name."""
    expected = "sqlite:///PATH or postgresql://USER:PASSWORD@HOST/DATABASE"
    if text.startswith("sqlite:"):
        path = text.removeprefix("sqlite:///").partition("?")[0]
        if not text.startswith("sqlite:///") or not path.strip("/") or not path.isprintable():
            raise BadValue("names no database file", f"expected {expected}")
        if path == ":memory:":
            raise BadValue("a database in memory can't be shared by the server and its commands", "name a file")
        return text
    parts = _split(text, ("postgresql",), expected)
    if not parts.path.strip("/"):
        raise BadValue("names no database", f"expected {expected}")
    return text


def limits_backend(text: str) -> str:
    """Accept `memory`, or where Redis or Valkey is."""
    if text != "memory":
        _split(text, ("redis", "rediss"), '"memory" or redis://HOST:PORT/NUMBER')
    return text


def cidr(text: str) -> str:
    """Accept a network or a single address."""
    try:
        return str(ip_network(text))
    except ValueError:
        pass
    try:
        wanted = ip_network(text, strict=False)
    except ValueError:
        raise BadValue(f"{quoted(text)} is no network", 'such as "10.0.0.0/8" or "::1"') from None
    raise BadValue(f"{quoted(text)} has host bits set", f'did you mean "{wanted}"?')


def origin(text: str) -> str:
    """Accept a browser origin, or `*` for every one."""
    if text != "*" and not _ORIGIN.fullmatch(text):
        raise BadValue(f"{quoted(text)} is no origin", 'scheme and host, such as "https://chat.example.org", or "*"')
    return text


def api_key(text: str) -> str:
    """Accept a credential that goes into a header: one line of ASCII without spaces."""
    if not text:
        raise BadValue("must not be empty")
    if not (text.isascii() and text.isprintable()) or " " in text:
        raise BadValue("must be one line of ASCII without spaces")
    return text


def path(text: str) -> str:
    """Accept a file or folder; a relative one counts from the configuration's folder."""
    if not text:
        raise BadValue("must not be empty")
    if not text.isprintable():
        raise BadValue("must not hold control characters")
    return text


def header_name(text: str) -> str:
    """Accept the name of a header that may be added to upstream requests (RFC 9110, section 5.6.2)."""
    if not _HEADER_NAME.fullmatch(text):
        raise BadValue("is no header name")
    if text.lower() in _OWN_HEADERS:
        raise BadValue("is set by the gateway itself")
    return text


def header_value(text: str) -> str:
    """Accept a header's value (RFC 9110, section 5.5), ASCII only."""
    if not (text.isascii() and text.isprintable()):
        raise BadValue("must be one line of ASCII")
    return text


def snowflake(text: str) -> str:
    """Accept a Discord id."""
    if not _SNOWFLAKE.fullmatch(text):
        raise BadValue("is no Discord id", "15 to 21 digits; switch on Developer Mode and use Copy ID")
    return text


def optional_snowflake(text: str) -> str:
    """Accept a Discord id, or nothing."""
    return snowflake(text) if text else text


def optional_public_key(text: str) -> str:
    """Accept the Ed25519 key of a Discord application in hexadecimal, or nothing."""
    if text and not _PUBLIC_KEY.fullmatch(text):
        raise BadValue("is no public key", "64 hexadecimal digits, from the application's General Information page")
    return text.lower()


def day_start(text: str) -> str:
    """Accept a time of day with its zone."""
    if not _DAY_START.fullmatch(text):
        raise BadValue(f"{quoted(text)} is no time of day", 'such as "00:00Z" or "00:00-08:00"')
    return text
