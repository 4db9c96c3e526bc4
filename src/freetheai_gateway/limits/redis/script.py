"""The script's text, and the commands that call it: plain bytes of the Redis protocol, without I/O."""

from enum import IntEnum
from functools import lru_cache
from hashlib import sha1
from importlib.resources import files
from typing import Final, TypeAlias, cast

from hiredis import pack_command

from freetheai_gateway.domain.limits import Limits

MICRO: Final = 1_000_000
LIMITS: Final = "limits.lua"
POOLS: Final = "pools.lua"
Word: TypeAlias = str | bytes | int


class Verdict(IntEnum):
    """What the first word of an answer says; the same numbers stand in the script."""

    REFUSED = 0
    """Then: rule, limit, used, microseconds to wait."""
    GRANTED = 1
    """Then: the lease, and use and reset of every rule in the order of `Rule`."""
    WAITING = 2
    """In line; the outcome is published on the node's channel."""
    GONE = 3
    """Nothing to say."""


@lru_cache(maxsize=2)
def script(name: str = LIMITS) -> bytes:
    """Read a script that stands beside this module."""
    return files(__package__).joinpath(name).read_bytes()


@lru_cache(maxsize=2)
def script_name(name: str = LIMITS) -> str:
    """Name it as Redis does, by its SHA-1 (a name, no protection)."""
    return sha1(script(name), usedforsecurity=False).hexdigest()


@lru_cache(maxsize=1024)
def limits_word(limits: Limits) -> str:
    """Write limits as the script reads them: `r10c1w60000000`."""
    named = {
        "r": limits.requests_per_minute,
        "t": limits.tokens_per_minute,
        "c": limits.concurrency,
        "d": limits.daily_requests,
        "i": limits.images_per_day,
        "k": None if limits.image_cooldown_s is None else micro(limits.image_cooldown_s),
        "w": micro(limits.window_s),
    }
    return "".join(f"{name}{limit}" for name, limit in named.items() if limit is not None)


def pack(*words: Word) -> bytes:
    """Render a command, an array of bulk strings."""
    return cast("bytes", pack_command(words))  # type: ignore[arg-type]  # typed as if it took one word only


def micro(seconds: float) -> int:
    """Give whole microseconds."""
    return round(seconds * MICRO)


class Commands:
    """Packs calls of the script about accounts; `prefix` begins their keys."""

    __slots__ = ("_prefix", "_sha")

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._sha = script_name()

    def call(self, account_id: str, act: str, now: str, *words: Word) -> bytes:
        """Pack one call; `now` in microseconds, empty for Redis's own clock."""
        return pack("EVALSHA", self._sha, 1, f"{self._prefix}{{{account_id}}}", act, now, *words)
