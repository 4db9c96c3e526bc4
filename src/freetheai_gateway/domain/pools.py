"""Upstreams: where a model can be had, what a call may take, and what holds for all of them."""

from dataclasses import dataclass, field

from freetheai_gateway.domain.usage import Price


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Deadlines of one upstream call in seconds; all but `connect_s` and `total_s` hold for streams only.

    `first_content_s` runs from the request to the first content, whatever else the upstream sends until then.
    """

    connect_s: float = 5.0
    first_byte_s: float = 120.0
    first_content_s: float = 600.0
    idle_s: float = 300.0
    total_s: float = 900.0


DEFAULT_TIMEOUTS = Timeouts()


@dataclass(frozen=True, slots=True)
class Quirks:
    """How a model differs from its dialect, as data.

    `max_tokens_field`: the name this upstream knows for the output cap; empty = leave the client's.
    `drop`: top-level request fields it rejects.
    `reasoning_replay`: it wants the reasoning of earlier turns back.
    `tool_id_length`: ids of tool calls must be exactly so many letters and digits; 0 = any.
    `efforts`: the efforts of reasoning that it knows, of which the nearest is sent; empty = all.
    `reply_after_results`: between tool results and what the user says next an assistant's message must stand.
    """

    max_tokens_field: str = ""
    drop: tuple[str, ...] = ()
    reasoning_replay: bool = False
    efforts: tuple[str, ...] = ()
    tool_id_length: int = 0
    reply_after_results: bool = False


@dataclass(frozen=True, slots=True)
class Upstream:
    """One place where a model can be had: a provider of the configuration and the model's name there."""

    provider: str
    model: str
    priority: int = 1
    weight: float = 1.0
    price: Price = field(default_factory=Price)
    quirks: Quirks = field(default_factory=Quirks)
    edit_model: str = ""
    """Of images: the name there for edits; empty = `model`."""


@dataclass(frozen=True, slots=True)
class KeyLimits:
    """What a vendor allows one key; 0 = no limit is known. `day_starts_s`: its day begins so long after 00:00 UTC."""

    requests_per_minute: int = 0
    requests_per_day: int = 0
    tokens_per_minute: int = 0
    tokens_per_day: int = 0
    day_starts_s: int = 0

    @property
    def any_is_known(self) -> bool:
        """Whether there is anything to count."""
        return bool(self.requests_per_minute or self.requests_per_day or self.tokens_per_minute or self.tokens_per_day)


@dataclass(frozen=True, slots=True)
class Terms:
    """What holds for the calls to one provider.

    `keys` are fingerprints of its API keys in the order of their numbers; `place` is one of its address. By both a
    reload knows what is still the same. `max_concurrency` 0 = no limit, `daily_budget_micro_usd` 0 = none.
    """

    keys: tuple[str, ...] = ("",)
    place: str = ""
    max_concurrency: int = 0
    key_limits: KeyLimits = KeyLimits()
    daily_budget_micro_usd: int = 0


@dataclass(frozen=True, slots=True)
class PoolPolicy:
    """How failures of upstreams are met; times in seconds.

    `attempts` and `deadline_s` hold for one request: how often it is sent, and how long after its beginning it may be
    sent again. `retry_share` and `retry_burst` hold for all of them: repeats as a share of requests, and how many more
    at once. A breaker opens after `breaker_failures` distinct requests failed in a row within `breaker_window_s`, for
    `breaker_open_s`. A key that is refused rests for `dead_key_s`; one that is told to slow down for as long as it is
    told, else for `cooldown_s`, at most for `max_cooldown_s`.
    """

    attempts: int = 3
    deadline_s: float = 180.0
    backoff_s: float = 0.1
    retry_share: float = 0.5
    retry_burst: int = 50
    breaker_failures: int = 5
    breaker_window_s: float = 60.0
    breaker_open_s: float = 5.0
    dead_key_s: float = 600.0
    cooldown_s: float = 5.0
    max_cooldown_s: float = 3_600.0
    sticky: bool = True
    check_s: float = 0.0
    """Pause between two checks of what is left alone; 0 = none."""
