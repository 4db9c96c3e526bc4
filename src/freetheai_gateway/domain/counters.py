"""What is counted of one account, and the one decision over all its limits. Sans-IO: the caller brings the time.

What counts (the limits themselves come with each call and may differ each time):

- requests per minute: every admission, whatever becomes of it;
- tokens per minute: what settlement charges; admitted while less than the limit is settled in the window, so the
  overshoot is at most concurrency times one reply;
- the day, in UTC: an admission reserves one, a settlement keeps it if content was delivered and else gives it back,
  on the day it was made on; delivered + reserved never exceeds the cap;
- images per day: like the day, by the number that a request asks for, corrected to what was made at settlement;
- the cool-down of images: from an admission that asks for some; given back at a settlement that made none;
- concurrency: from admission to settlement.

A rule that the limits of an admission do not name counts nothing of it, except that running requests always count.
"""

from typing import Final

import msgspec

from freetheai_gateway.domain.limits import CONCURRENCY_RETRY_S, EXACT_REQUESTS, Limits, Refusal, Rule, Standing
from freetheai_gateway.domain.windows import SlidingWindow

_DAY_S = 86_400
_NEVER_S: Final = float("-inf")
_REQUESTS, _TOKENS, _CONCURRENCY, _DAY = (
    Rule.REQUESTS_PER_MINUTE,
    Rule.TOKENS_PER_MINUTE,
    Rule.CONCURRENCY,
    Rule.DAILY_REQUESTS,
)
"""Under names of the module: to find a member through its enum costs a Python call, several times a request."""

_UNUSED: Final = SlidingWindow()
"""Stands for every window that nothing was added to yet, and is never added to: most accounts need one or none."""


def day_number(wall_s: float) -> int:
    """Count the UTC days from 1970-01-01 to an instant."""
    return int(wall_s // _DAY_S)


class Grant(msgspec.Struct, frozen=True, gc=False):
    """What one admitted request has taken: under which limits, on which UTC day, where in the request window."""

    limits: Limits
    day: int
    counted_at_s: float
    images: int = 0
    cooled_at_s: float = _NEVER_S
    """When the cool-down of images began with it."""


class Counters:
    """The counts of one account. `now_s` is monotonic, `wall_s` names the day."""

    __slots__ = (
        "_cooled_at_s",
        "_cooled_until_s",
        "_day_ends_s",
        "_requests",
        "_tokens",
        "day",
        "delivered",
        "images",
        "reserved",
        "reserved_images",
        "running",
    )

    def __init__(self) -> None:
        self.running = 0
        self.day = 0
        self._day_ends_s = _DAY_S
        self.delivered = 0
        """Answers that count on `day`."""
        self.reserved = 0
        """Running requests that were admitted on `day` under a daily cap."""
        self.images = 0
        """Images that count on `day`."""
        self.reserved_images = 0
        """Images that running requests of `day` have asked for under a cap of images."""
        self._cooled_at_s = _NEVER_S
        """When the newest cool-down of images began."""
        self._cooled_until_s = _NEVER_S
        self._requests = _UNUSED
        self._tokens = _UNUSED

    def admit(self, limits: Limits, now_s: float, wall_s: float, images: int = 0) -> Grant | Refusal:
        """Let all rules decide together: take from each of them, or from none."""
        refusal = self._refusal(limits, now_s, wall_s, images)
        if refusal is not None:
            return refusal
        self.running += 1
        if limits.daily_requests is not None:
            self.reserved += 1
        if limits.images_per_day is not None:
            self.reserved_images += images
        cooled_at_s = _NEVER_S
        if images and limits.image_cooldown_s is not None:
            cooled_at_s = self._cooled_at_s = now_s
            self._cooled_until_s = now_s + limits.image_cooldown_s
        rate = limits.requests_per_minute
        if rate is None:
            return Grant(limits, self.day, now_s, images, cooled_at_s)
        if self._requests is _UNUSED:
            self._requests = SlidingWindow()
        counted_at_s = self._requests.add(1, now_s, limits.window_s, exact=rate <= EXACT_REQUESTS)
        return Grant(limits, self.day, counted_at_s, images, cooled_at_s)

    def has_slot(self, limits: Limits) -> bool:
        """Whether concurrency alone would admit."""
        return limits.concurrency is None or self.running < limits.concurrency

    def settle(self, grant: Grant, now_s: float, *, delivered: bool, tokens: int, images: int = 0) -> None:
        """End an admitted request; the caller sees to it that this or `withdraw` happens once."""
        self._release(grant)
        if delivered and grant.limits.daily_requests is not None and grant.day == self.day:
            self.delivered += 1
        if grant.limits.images_per_day is not None and grant.day == self.day:
            self.images += images
        if not images:
            self._end_cooldown(grant)
        if tokens > 0 and grant.limits.tokens_per_minute is not None:
            if self._tokens is _UNUSED:
                self._tokens = SlidingWindow()
            self._tokens.add(tokens, now_s, grant.limits.window_s, exact=False)

    def withdraw(self, grant: Grant) -> None:
        """Undo an admission that nobody ever heard of, as if it had not been."""
        self._release(grant)
        self._end_cooldown(grant)
        if grant.limits.requests_per_minute is not None:
            self._requests.take_back(1, grant.counted_at_s)

    def restore_day(self, day: int, delivered: int, images: int = 0) -> None:
        """Take over a day's count from storage, which may lag behind: a count is never lowered."""
        self._begin_day(day)
        if day == self.day:
            self.delivered = max(self.delivered, delivered)
            self.images = max(self.images, images)

    def standings(self, limits: Limits, now_s: float, wall_s: float) -> tuple[Standing, ...]:
        """Tell where the account stands now: in the order of `Rule`, only the rules that it has."""
        standings = []
        rate, tokens, window_s = limits.requests_per_minute, limits.tokens_per_minute, limits.window_s
        if rate is not None:
            used, reset_s = self._requests.standing(now_s, window_s)
            standings.append(Standing(_REQUESTS, rate, used, reset_s))
        if tokens is not None:
            used, reset_s = self._tokens.standing(now_s, window_s)
            standings.append(Standing(_TOKENS, tokens, used, reset_s))
        if limits.concurrency is not None:
            reset_s = CONCURRENCY_RETRY_S if self.running else 0.0
            standings.append(Standing(_CONCURRENCY, limits.concurrency, self.running, reset_s))
        if limits.daily_requests is not None:
            self._enter_day(wall_s)
            used = self.delivered + self.reserved
            standings.append(Standing(_DAY, limits.daily_requests, used, self._day_left_s(wall_s)))
        if limits.images_per_day is not None:
            self._enter_day(wall_s)
            used = self.images + self.reserved_images
            standings.append(Standing(Rule.IMAGES_PER_DAY, limits.images_per_day, used, self._day_left_s(wall_s)))
        if limits.image_cooldown_s is not None:
            left_s = max(0.0, self._cooled_at_s + limits.image_cooldown_s - now_s)
            standings.append(Standing(Rule.IMAGE_COOLDOWN, 1, int(left_s > 0), left_s))
        return tuple(standings)

    def is_idle(self, now_s: float, wall_s: float) -> bool:
        """Whether nothing is counted that a later decision could need."""
        return (
            not self.running
            and now_s >= self._requests.empty_at_s
            and now_s >= self._tokens.empty_at_s
            and now_s >= self._cooled_until_s
            and (not (self.delivered or self.images) or self.day < day_number(wall_s))
        )

    def _refusal(self, limits: Limits, now_s: float, wall_s: float, images: int) -> Refusal | None:
        longest = self._refusal_of_the_day(limits, wall_s, images)
        window_s = limits.window_s
        rate = limits.requests_per_minute
        if rate is not None and (used := self._requests.used(now_s, window_s)) >= rate:
            wait_s = self._requests.wait_s(rate, now_s, window_s)
            longest = _longer(longest, Refusal(_REQUESTS, rate, used, wait_s))
        tokens = limits.tokens_per_minute
        if tokens is not None and (used := self._tokens.used(now_s, window_s)) >= tokens:
            wait_s = self._tokens.wait_s(tokens, now_s, window_s)
            longest = _longer(longest, Refusal(_TOKENS, tokens, used, wait_s))
        cooldown_s = limits.image_cooldown_s
        if images and cooldown_s is not None and (left_s := self._cooled_at_s + cooldown_s - now_s) > 0:
            longest = _longer(longest, Refusal(Rule.IMAGE_COOLDOWN, 1, 1, left_s))
        slots = limits.concurrency
        if longest is None and slots is not None and self.running >= slots:
            longest = Refusal(_CONCURRENCY, slots, self.running, CONCURRENCY_RETRY_S)
        return longest

    def _refusal_of_the_day(self, limits: Limits, wall_s: float, images: int) -> Refusal | None:
        cap, image_cap = limits.daily_requests, limits.images_per_day
        if cap is None and image_cap is None:
            return None
        self._enter_day(wall_s)
        if cap is not None and (used := self.delivered + self.reserved) >= cap:
            return Refusal(_DAY, cap, used, self._day_left_s(wall_s))
        if image_cap is not None and images and (used := self.images + self.reserved_images) + images > image_cap:
            return Refusal(Rule.IMAGES_PER_DAY, image_cap, used, self._day_left_s(wall_s))
        return None

    def _release(self, grant: Grant) -> None:
        self.running -= 1
        if grant.day != self.day:
            return
        if grant.limits.daily_requests is not None:
            self.reserved -= 1
        if grant.limits.images_per_day is not None:
            self.reserved_images -= grant.images

    def _end_cooldown(self, grant: Grant) -> None:
        """Give back the cool-down that began with an admission, unless a later one began another."""
        if grant.cooled_at_s == self._cooled_at_s:
            self._cooled_at_s = self._cooled_until_s = _NEVER_S

    def _enter_day(self, wall_s: float) -> None:
        if wall_s >= self._day_ends_s:
            self._begin_day(day_number(wall_s))

    def _begin_day(self, day: int) -> None:
        # Only forward: a wall clock that is set back over midnight must not hand out the day a second time.
        if day > self.day:
            self.day = day
            self._day_ends_s = (day + 1) * _DAY_S
            self.delivered = 0
            self.reserved = 0
            self.images = 0
            self.reserved_images = 0

    def _day_left_s(self, wall_s: float) -> float:
        return self._day_ends_s - wall_s


def _longer(first: Refusal | None, second: Refusal) -> Refusal:
    return second if first is None or second.retry_after_s > first.retry_after_s else first
