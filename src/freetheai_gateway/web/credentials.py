"""Finding the API key in a request's headers, forgiving what people paste."""

import re
from collections.abc import Iterable

from freetheai_gateway.errors import Unauthenticated

_QUOTES = "\"'`\u201c\u201d\u2018\u2019"
_BEFORE_KEY = re.compile(rf"[\s{_QUOTES}]*+(?:bearer(?![^\W_])[\s:{_QUOTES}]*+)*+", re.IGNORECASE)
_TIDY = re.compile(r"Bearer fta_[0-9A-Za-z]{38}")
"""How nearly everyone sends it."""
_AFTER_KEY = f" \t\u00a0{_QUOTES}"


def presented_key(headers: Iterable[tuple[bytes, bytes]]) -> str | None:
    """Read the key from `Authorization: Bearer` or `x-api-key`; `None` where there is none.

    Both headers may be sent (some clients do) if they hold the same key. Raises `Unauthenticated` where they differ.
    """
    found = None
    for name, value in headers:
        if name in {b"authorization", b"x-api-key"}:
            key = _clean(value.decode("utf-8", "replace"))
            if not key:
                continue
            if found is not None and key != found:
                raise Unauthenticated(
                    "Authorization and x-api-key hold different API keys; send one of them.",
                    headers=((b"www-authenticate", b"Bearer"),),
                )
            found = key
    return found


def _clean(value: str) -> str:
    """Strip blanks, quotes and any number of leading `Bearer` words, in one pass."""
    if _TIDY.fullmatch(value):
        return value[len("Bearer ") :]
    wrapping = _BEFORE_KEY.match(value)
    return value[wrapping.end() if wrapping else 0 :].rstrip(_AFTER_KEY)
