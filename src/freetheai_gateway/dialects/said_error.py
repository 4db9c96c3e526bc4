"""Errors inside replies whose HTTP status was good: which status would have said the same.

A provider that has begun with 200 can say no other status: OpenRouter writes the number into `error.code`, Anthropic a
word into `error.type`, Google one into `error.status`. What follows is then what follows from that status.
"""

import re
from collections.abc import Mapping

from freetheai_gateway.dialects.complaint import error_fields
from freetheai_gateway.dialects.protocol import UpstreamSaidError

_NUMBER = re.compile(r"[0-9]{3}")
_OF_WORDS: Mapping[str, int] = {
    "authentication_error": 401,
    "invalid_api_key": 401,
    "unauthenticated": 401,
    "billing_error": 402,
    "insufficient_quota": 402,
    "permission_error": 403,
    "permission_denied": 403,
    "not_found_error": 404,
    "rate_limit_error": 429,
    "rate_limit_exceeded": 429,
    "resource_exhausted": 429,
    "too_many_requests": 429,
    "overloaded": 529,
    "overloaded_error": 529,
    "server_overloaded": 503,
    "unavailable": 503,
    "deadline_exceeded": 504,
    "timeout_error": 504,
}
"""By what stands in `code`, `type` or `status`; a word that says no more than that something failed is not here."""
KNOWN = frozenset(_OF_WORDS.values()) | {408}
"""Statuses that say more than that something failed. A 400 is not one: another upstream may take the request."""


def said_error(data: bytes, why: str = "") -> UpstreamSaidError:
    """Make the fault of an error that an upstream wrote into its reply; `data` is the event, the reply or the error."""
    fields = error_fields(data)
    for name in ("code", "type", "status"):
        status = _status_of(fields.get(name))
        if status in KNOWN:
            return UpstreamSaidError(why, status=status)
    return UpstreamSaidError(why)


def _status_of(value: object) -> int:
    if isinstance(value, int):
        return value
    if not isinstance(value, str):
        return 0
    return int(value) if _NUMBER.fullmatch(value) else _OF_WORDS.get(value.lower(), 0)
