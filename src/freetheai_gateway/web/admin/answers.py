"""What the admin API answers, field by field. Instants are RFC 3339 in UTC."""

from typing import Any, Literal

from msgspec import Struct


class Answer(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The base of all."""


class AccountRow(Answer, frozen=True):
    """An account in a list."""

    id: str
    name: str
    discord_id: str | None
    tier: int
    tier_source: Literal["default", "role", "override"]
    state: Literal["active", "paused", "left"]
    unlimited: bool
    created_at: str


class AccountState(AccountRow, frozen=True):
    """An account with its suspension."""

    pause_reason: str | None
    paused_until: str | None


class ChangedAccount(AccountState, frozen=True):
    """An account as it is now."""

    audit_id: str


class KeyRow(Answer, frozen=True):
    """A key; of its characters only the first eight."""

    id: str
    account_id: str
    name: str
    prefix: str
    created_at: str
    revoked_at: str | None


class ChangedKey(KeyRow, frozen=True):
    """A key as it is now."""

    audit_id: str


class IssuedKey(ChangedKey, frozen=True):
    """A new key. `key` is shown only now."""

    key: str


class WholeAccount(AccountState, frozen=True):
    """An account with its keys, the oldest first; `next_cursor` goes on at `/accounts/{id}/keys`."""

    keys: list[KeyRow]
    next_cursor: str | None


class OpenedAccount(ChangedAccount, frozen=True):
    """A new account with its first key."""

    key: IssuedKey


class UsageRow(Answer, frozen=True):
    """Sums of one day, account, model or provider; the fields that are not grouped by are empty."""

    day: str
    account_id: str
    model: str
    provider: str
    requests: int
    successes: int
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    reasoning_tokens: int
    images: int
    cost_usd: float


class RequestRecord(Answer, frozen=True):
    """What is kept of one request; never its content."""

    request_id: str
    started_at: str
    duration_ms: int
    first_token_ms: int | None
    account_id: str
    key_id: str
    route: str
    model: str
    provider: str
    upstream_model: str
    attempts: int
    status: int
    code: str
    success: bool
    streamed: bool
    estimated: bool
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    reasoning_tokens: int
    images: int
    cost_usd: float


class LimitRow(Answer, frozen=True):
    """Where an account stands under one rule; `reset_s` until the whole limit is back."""

    rule: str
    limit: int
    used: int
    remaining: int
    reset_s: float


class LimitsInForce(Answer, frozen=True):
    """The limits of an account, and where it stands."""

    account_id: str
    tier: int
    tier_name: str
    tier_source: Literal["default", "role", "override"]
    unlimited: bool
    limits: list[LimitRow]


class UpstreamKey(Answer, frozen=True):
    """One key of a provider, by its number in the configuration, and for how long it rests."""

    number: int
    rests_s: float
    reason: str | None


class UpstreamModel(Answer, frozen=True):
    """What is known of a model at a provider; `latency_ms` until its first content, on average."""

    id: str
    upstream_model: str
    breaker: Literal["closed", "open", "half_open"]
    in_flight: int
    latency_ms: int | None


class UpstreamRow(Answer, frozen=True):
    """How one provider stands."""

    provider: str
    readiness: Literal["ready", "not_configured", "loading"]
    dialects: list[str]
    in_flight: int
    max_concurrency: int | None
    shared_with_members: bool
    daily_budget_usd: float | None
    spent_today_usd: float | None
    """Told where there is a budget."""
    keys: list[UpstreamKey]
    models: list[UpstreamModel]


class CatalogueUpstream(Answer, frozen=True):
    """Where a model is served; prices in US dollars."""

    provider: str
    model: str
    priority: int
    weight: float
    input_per_million: float
    cached_input_per_million: float | None
    output_per_million: float
    per_image: float
    quirks: list[str]
    """How it differs from its dialect, such as `drop=seed`."""


class TierRow(Answer, frozen=True):
    """A tier with the limits that hold for it; absent = no limit. `families` are those that it is the first to open."""

    level: int
    name: str
    is_default: bool
    requests_per_minute: int | None
    tokens_per_minute: int | None
    concurrency: int | None
    daily_requests: int | None
    images_per_day: int | None
    minimum_invites: int
    opens_models: int
    families: list[str]


class CatalogueRow(Answer, frozen=True):
    """A model with what holds for it: defaults, its family and aliases applied."""

    id: str
    kind: str
    name: str
    family: str
    tier: str | None
    tier_rank: int
    retired: bool
    retires_at: str | None
    replaced_by: str | None
    set_up: bool
    open_to_members: bool
    """Whether accounts with limits may use one of its providers."""
    description: str
    context_window: int | None
    max_output_tokens: int | None
    default_output_tokens: int | None
    inputs: list[str]
    features: list[str]
    aliases: list[str]
    upstreams: list[CatalogueUpstream]


class Reloaded(Answer, frozen=True):
    """What a reload changed, or would change: `+` added, `-` removed, `~` changed."""

    applied: bool
    changed: dict[str, list[str]]
    fields: list[str]
    """What is different in the changed entries, such as `providers.zai.api_keys`."""
    needs_restart: list[str]
    audit_id: str | None


class AuditRow(Answer, frozen=True):
    """Who changed what, when and why; of the changed fields what was and what is."""

    id: str
    at: str
    actor: str
    action: str
    subject: str
    account_id: str | None
    reason: str | None
    before: dict[str, Any]
    after: dict[str, Any]
