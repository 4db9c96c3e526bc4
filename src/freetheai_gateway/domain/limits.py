"""Limits of an account, and the words of a decision about them. Sans-IO: the caller brings the time."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import msgspec

EXACT_REQUESTS = 600
"""Up to this many requests per window every one is logged; above, they are counted in buckets (`windows`)."""

CONCURRENCY_RETRY_S = 1.0
"""What a refusal by concurrency says: nobody knows when a running request ends."""


class Rule(StrEnum):
    """The stable names of the limits; they are the `code` of a refusal."""

    REQUESTS_PER_MINUTE = "requests_per_minute"
    TOKENS_PER_MINUTE = "tokens_per_minute"
    CONCURRENCY = "concurrency"
    DAILY_REQUESTS = "daily_requests"
    IMAGES_PER_DAY = "images_per_day"
    IMAGE_COOLDOWN = "image_cooldown"


@dataclass(frozen=True, slots=True)
class Limits:
    """What one account may do; `None` = no limit. `window_s` is the length of the per-minute windows."""

    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    concurrency: int | None = None
    daily_requests: int | None = None
    images_per_day: int | None = None
    image_cooldown_s: float | None = None
    """Seconds from one admission for images to the next."""
    window_s: float = 60.0


UNLIMITED = Limits()


class Delivered(msgspec.Struct, frozen=True, gc=False):
    """What was delivered to each account on one UTC day, as the ledger says; absent accounts had nothing."""

    day: str
    answers: Mapping[str, int]
    images: Mapping[str, int] = {}


class Standing(msgspec.Struct, frozen=True, gc=False):
    """Where an account stands under one rule: `used` of `limit`, and seconds until the whole limit is back.

    The whole limit and not the next request, because that is what the reset headers of the OpenAI and Anthropic
    SDKs announce; when the next request fits is `Refusal.retry_after_s`. Requests and tokens: until the window is
    empty. The day: until midnight UTC. Concurrency: nobody knows; `CONCURRENCY_RETRY_S` while anything runs.
    The cool-down of images is one of one until it is over.
    `used` of the day includes what running requests have reserved, and may exceed a limit that was lowered;
    `used` of the tokens may exceed the limit by what was running when it was reached.
    """

    rule: Rule
    limit: int
    used: int
    reset_s: float

    @property
    def remaining(self) -> int:
        """What is left; never negative."""
        return max(0, self.limit - self.used)


class Refusal(msgspec.Struct, frozen=True, gc=False):
    """The rule that said no, with where it stands; nothing was consumed.

    `retry_after_s` is when the rule would first admit, if nothing else happens: the first instant at which the
    window has room, midnight UTC for the day and its images, `CONCURRENCY_RETRY_S` for concurrency. Where several
    rules say no, it is the one that takes longest, so that nobody is sent back too early; concurrency is named only
    when it stands alone.
    """

    rule: Rule
    limit: int
    used: int
    retry_after_s: float
