"""Limits of an account, and the words of a decision about them. Sans-IO: the caller brings the time."""

from dataclasses import dataclass
from enum import StrEnum


class Rule(StrEnum):
    """The stable names of the limits; they are the `code` of a refusal."""

    REQUESTS_PER_MINUTE = "requests_per_minute"
    TOKENS_PER_MINUTE = "tokens_per_minute"
    CONCURRENCY = "concurrency"
    DAILY_REQUESTS = "daily_requests"


@dataclass(frozen=True, slots=True)
class Limits:
    """What one account may do; `None` = no limit. `window_s` is the length of the per-minute windows."""

    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    concurrency: int | None = None
    daily_requests: int | None = None
    window_s: float = 60.0


UNLIMITED = Limits()


@dataclass(frozen=True, slots=True)
class Standing:
    """Where an account stands under one rule: `used` of `limit`, and seconds until something frees up."""

    rule: Rule
    limit: int
    used: int
    reset_s: float

    @property
    def remaining(self) -> int:
        """What is left; never negative."""
        return max(0, self.limit - self.used)


@dataclass(frozen=True, slots=True)
class Refusal:
    """The rule that said no, with where it stands; nothing was consumed."""

    rule: Rule
    limit: int
    used: int
    retry_after_s: float
