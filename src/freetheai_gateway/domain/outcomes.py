"""What follows from a failed call: a table. One row a failure; nothing else decides.

The written contract is `docs/failover.md`, whose tables are compared with these by a test.
"""

from collections.abc import Mapping
from enum import StrEnum

import msgspec

from freetheai_gateway.domain.failures import ERROR_IN_REPLY, HTTP, MALFORMED, Mishap


class Again(StrEnum):
    """Where the request may go next, as long as no content of it went out."""

    NEVER = "never"
    """The answer is the client's; it is passed on at once."""
    OTHER_KEY = "other key"
    """To another key of the same upstream, or to another upstream."""
    ELSEWHERE = "elsewhere"
    """To another upstream only."""
    ANYWHERE = "anywhere"
    """To another upstream, and where there is none to the same one, after a pause."""


class KeyFate(StrEnum):
    """What becomes of the key that was used."""

    KEEP = "keep"
    REST = "rest"
    """It was refused: it rests, for every model."""
    SUSPECT = "suspect"
    """It may have been refused, or the request was: once a second, different request says the same it rests for this
    model; once it does for two models, for every one."""
    COOL = "cool"
    """It was told to slow down: it rests for this model."""


class Rule(msgspec.Struct, frozen=True, gc=False):
    """One row. `weighs`: the breaker counts it. `executed`: the request may have been executed, and paid for."""

    again: Again
    key: KeyFate = KeyFate.KEEP
    weighs: bool = False
    executed: bool = True


PASSED_ON = Rule(Again.NEVER, executed=False)
"""The client's own fault: 400, 413 and 422, unless the body says that our key is to blame."""

_REFUSED_KEY = Rule(Again.OTHER_KEY, KeyFate.REST, executed=False)
_SUSPECT_KEY = Rule(Again.OTHER_KEY, KeyFate.SUSPECT, executed=False)
_SLOW_DOWN = Rule(Again.OTHER_KEY, KeyFate.COOL, executed=False)
_NOT_THERE = Rule(Again.ELSEWHERE, weighs=True, executed=False)
_OVERLOADED = Rule(Again.ANYWHERE, weighs=True, executed=False)
_BROKEN = Rule(Again.ANYWHERE, weighs=True)
_TOO_SLOW = Rule(Again.ELSEWHERE, weighs=True)
_NO_ANSWER = Rule(Again.ELSEWHERE, weighs=True)
_NOT_SENT = Rule(Again.ANYWHERE, weighs=True, executed=False)
_WRONG_ADDRESS = Rule(Again.ELSEWHERE, weighs=True, executed=False)
_OUT_OF_TIME = Rule(Again.NEVER, weighs=True)

BY_CODE: Mapping[str, Rule] = {
    "api_key_invalid": _REFUSED_KEY,
    "api_key_expired": _REFUSED_KEY,
    "invalid_api_key": _REFUSED_KEY,
    "insufficient_quota": _REFUSED_KEY,
    "billing_hard_limit_reached": _REFUSED_KEY,
    "failed_precondition": _REFUSED_KEY,
}
"""Codes of HTTP errors that say more than the status: some vendors send 400 or 429 for a key that is spent or void."""

BY_STATUS: Mapping[int, Rule] = {
    401: _REFUSED_KEY,
    402: _REFUSED_KEY,
    403: _SUSPECT_KEY,
    404: _NOT_THERE,
    405: _NOT_THERE,
    408: _TOO_SLOW,
    410: _NOT_THERE,
    429: _SLOW_DOWN,
    503: _OVERLOADED,
    504: _TOO_SLOW,
    522: _TOO_SLOW,
    524: _TOO_SLOW,
    529: _OVERLOADED,
}
"""Every other status: from 500 on `OTHER_5XX`, below it `OTHER_STATUS`."""
OTHER_5XX = _BROKEN
OTHER_STATUS = _NO_ANSWER

BY_WORD: Mapping[str, Rule] = {
    "resolve": _WRONG_ADDRESS,
    "refused": _NOT_SENT,
    "tls": _WRONG_ADDRESS,
    "proxy": _WRONG_ADDRESS,
    "connect_timeout": _WRONG_ADDRESS,
    "head_timeout": _TOO_SLOW,
    "content_timeout": _TOO_SLOW,
    "idle_timeout": _TOO_SLOW,
    "total_timeout": _OUT_OF_TIME,
    "closed": _BROKEN,
    "protocol": _NO_ANSWER,
    MALFORMED: _NO_ANSWER,
    ERROR_IN_REPLY: _BROKEN,
}
"""Transport failures, and replies that are none."""


def find_rule(mishap: Mishap) -> Rule:
    """Find the row of a failure."""
    if mishap.callers_fault:
        return PASSED_ON
    if mishap.what != HTTP:
        return BY_WORD[mishap.what]
    rule = BY_CODE.get(mishap.code) or BY_STATUS.get(mishap.status)
    if rule is not None:
        return rule
    return OTHER_5XX if mishap.status >= 500 else OTHER_STATUS


def may_repeat(rule: Rule, mishap: Mishap, *, repeatable: bool) -> bool:
    """Whether the request may be sent again at all; `repeatable`: executing it twice harms nobody."""
    if rule.again is Again.NEVER:
        return False
    return repeatable or not mishap.sent or not rule.executed
