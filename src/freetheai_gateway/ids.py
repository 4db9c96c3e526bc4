"""Identifiers: request ids that sort by time, account and key ids, and the API keys themselves.

An API key is `fta_` + 32 random base62 characters (190 bits) + 6 base62 characters of CRC-32 over what stands
before them, so that a cut-off or mistyped key is told from an unknown one without asking the database, and a
double click selects it whole. Only its SHA-256 is stored: 190 random bits need neither salt nor slow hash.
"""

import re
import secrets
from enum import Enum
from hashlib import sha256
from os import register_at_fork, urandom
from time import time_ns
from zlib import crc32

KEY_PREFIX = "fta_"
KEY_LENGTH = 42
VISIBLE_LENGTH = 8
"""How much of a key may be stored and shown: `fta_Ab3d`."""

_BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_CROCKFORD_PAIRS = tuple(a + b for a in _CROCKFORD for b in _CROCKFORD)
_KEY = re.compile(r"fta_[0-9A-Za-z]{38}")
_KEY_START = re.compile(r"fta_[0-9A-Za-z]{0,37}")
_BODY_LENGTH = 32
_CHECK_LENGTH = 6


class KeyForm(Enum):
    """What the characters alone say about a presented key."""

    WELL_FORMED = "well_formed"
    INCOMPLETE = "incomplete"
    WRONG = "wrong"


def _base62(number: int, width: int) -> str:
    digits = []
    for _ in range(width):
        number, rest = divmod(number, 62)
        digits.append(_BASE62[rest])
    return "".join(reversed(digits))


def _key_check(body: str) -> str:
    return _base62(crc32(body.encode("ascii")), _CHECK_LENGTH)


def new_key() -> str:
    """Mint an API key; the caller shows it once and stores `key_digest` and `key_visible` only."""
    body = KEY_PREFIX + "".join(secrets.choice(_BASE62) for _ in range(_BODY_LENGTH))
    return body + _key_check(body)


def key_form(key: str) -> KeyForm:
    """Judge a presented key by its characters, before any look-up."""
    if _KEY.fullmatch(key):
        return KeyForm.WELL_FORMED if _key_check(key[:-_CHECK_LENGTH]) == key[-_CHECK_LENGTH:] else KeyForm.WRONG
    return KeyForm.INCOMPLETE if _KEY_START.fullmatch(key) else KeyForm.WRONG


def key_digest(key: str) -> bytes:
    """Hash a key to the 32 bytes under which it is stored and looked up."""
    return sha256(key.encode("utf-8", "surrogatepass")).digest()


def key_visible(key: str) -> str:
    """Cut a key to the short prefix that may be stored, shown and logged."""
    return key[:VISIBLE_LENGTH]


def _crockford(number: int, width: int) -> str:
    pairs = []
    for _ in range(width // 2):
        number, rest = number >> 10, number & 1023
        pairs.append(_CROCKFORD_PAIRS[rest])
    pairs.reverse()
    return "".join(pairs)


class _Ulids:
    """Makes ULIDs cheaply: randomness is drawn and spelled for many at once, the time once a millisecond.

    Each random byte becomes one character by its low five bits, which leaves 80 random bits in 16 characters.
    """

    _RANDOM_CHARACTERS = 16
    _AT_ONCE = 256
    _SPELLING = (_CROCKFORD * 8).encode()

    def __init__(self) -> None:
        self._pool = ""
        self._at = 0
        self._millisecond = -1
        self._time = ""

    def next(self) -> str:
        """Make one: 10 characters of time and 16 of randomness."""
        millisecond = time_ns() // 1_000_000
        if millisecond != self._millisecond:
            self._millisecond, self._time = millisecond, _crockford(millisecond, 10)
        start = self._at
        if start >= len(self._pool):
            drawn = urandom(self._RANDOM_CHARACTERS * self._AT_ONCE)
            self._pool, start = drawn.translate(self._SPELLING).decode("ascii"), 0
        self._at = end = start + self._RANDOM_CHARACTERS
        return self._time + self._pool[start:end]


_ULIDS = _Ulids()


def forget_randomness() -> None:
    """Throw away what was drawn ahead: a forked process must not make its parent's ids."""
    global _ULIDS  # noqa: PLW0603 - one source of ids per process
    _ULIDS = _Ulids()


register_at_fork(after_in_child=forget_randomness)


def new_id(prefix: str) -> str:
    """Make `prefix_` + a ULID (26 characters, sorts by creation time, 80 random bits)."""
    return f"{prefix}_{_ULIDS.next()}"


def new_request_id() -> str:
    """Name a request: `req_…`, the id in its response headers, log line and usage record."""
    return "req_" + _ULIDS.next()
