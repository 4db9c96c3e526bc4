"""The part of the tree that a reload may change: tiers, families, aliases, providers and models."""

from datetime import date
from typing import Annotated

from freetheai_gateway.settings import forms
from freetheai_gateway.settings.kinds import (
    Api,
    ApiKey,
    CountOrZero,
    Dollars,
    Duration,
    Feature,
    FilePath,
    Input,
    Kind,
    ModelId,
    Name,
    OptionalName,
    OptionalWord,
    Pattern,
    Positive,
    Prose,
    Table,
    Weight,
    Word,
)
from freetheai_gateway.settings.marks import Bounds, Form, NotEmpty
from freetheai_gateway.settings.secret import Secret

KEYLESS_APIS = frozenset({"llamacpp", "sketch"})
"""APIs that the gateway runs itself: no address, no key."""


class Tier(Table, frozen=True, kw_only=True):
    """`[[tiers]]`: a step of access. Levels ascend; `None` = `access.daily_requests`, or no limit."""

    level: Positive
    name: Name
    minimum_invites: CountOrZero = 0
    """Shown in the published policy; invites are not counted."""
    requests_per_minute: Positive
    concurrency: Positive
    daily_requests: CountOrZero | None = None
    """0 = no cap, whatever `access.daily_requests` says."""
    tokens_per_minute: Positive | None = None
    images_per_day: Positive | None = None
    image_cooldown_s: Duration | None = None
    """Seconds from one request for images to the next."""


class Family(Table, frozen=True, kw_only=True):
    """`[[families]]`: models that need the same tier; the first family that matches a model decides."""

    name: Name
    models: Annotated[tuple[Pattern, ...], NotEmpty()]
    minimum_tier: Positive = 1


class Alias(Table, frozen=True, kw_only=True):
    """`[[aliases]]`: sends ids that are not in the catalogue to a model that is."""

    match: Pattern
    model: ModelId


class CallTimeouts(Table, frozen=True, kw_only=True):
    """`timeouts` of a provider, in seconds; all but `connect_s` and `total_s` hold for streams only."""

    connect_s: Duration = 5.0
    first_byte_s: Duration = 120.0
    first_content_s: Duration = 600.0
    idle_s: Duration = 300.0
    total_s: Duration = 900.0


class KeyLimits(Table, frozen=True, kw_only=True):
    """`limits_per_key` of a provider: what the vendor allows one key; 0 = no limit is known."""

    requests_per_minute: CountOrZero = 0
    requests_per_day: CountOrZero = 0
    tokens_per_minute: CountOrZero = 0
    tokens_per_day: CountOrZero = 0
    day_starts: Annotated[str, Form(forms.day_start)] = "00:00Z"
    """When the vendor's day begins: time and zone."""

    @property
    def day_starts_s(self) -> int:
        """Seconds after 00:00 UTC at which the vendor's day begins, in [0, 86400)."""
        clock, zone = self.day_starts[:5], self.day_starts[5:]
        offset = 0 if zone == "Z" else _seconds(zone[1:]) * (-1 if zone[0] == "-" else 1)
        return (_seconds(clock) - offset) % 86_400


def _seconds(clock: str) -> int:
    hours, minutes = clock.split(":")
    return int(hours) * 3600 + int(minutes) * 60


class Provider(Table, frozen=True, kw_only=True):
    """`[[providers]]`: an account with a vendor, or the model that runs beside the gateway."""

    name: Annotated[str, Form(forms.provider_name)]
    api: Api
    base_url: Annotated[Secret, Form(forms.base_url)] = Secret()
    """Where the vendor's paths begin, without a slash at the end; after reading never empty, but for `KEYLESS_APIS`."""
    api_keys: tuple[ApiKey, ...] = ()
    proxy: Annotated[Secret, Form(forms.proxy_url)] = Secret()
    max_concurrency: Positive = 64
    timeouts: CallTimeouts = CallTimeouts()
    limits_per_key: KeyLimits = KeyLimits()
    daily_budget_usd: Dollars = 0.0
    shared_with_members: bool = True
    fetches_image_urls: bool | None = None
    """Whether it fetches pictures that chat requests point at; `None` = as its kind does."""
    headers: tuple[
        tuple[Annotated[str, Form(forms.header_name)], Annotated[Secret, Form(forms.header_value)]], ...
    ] = ()
    model_path: FilePath | None = None
    """llamacpp: a GGUF file; `None` = the demonstration model that `freetheai local install` brings."""
    context_window: Annotated[int, Bounds(at_least=256)] = 4096
    """llamacpp: tokens that prompt and reply may have together."""
    threads: CountOrZero = 0
    """llamacpp: 0 = one less than the machine has cores."""

    @property
    def is_set_up(self) -> bool:
        """Whether the provider can be called; without, its models are listed with `not_configured`."""
        return bool(self.api_keys) or self.api in KEYLESS_APIS


class Price(Table, frozen=True, kw_only=True):
    """`price_usd` of an upstream: US dollars per million tokens, and per image."""

    input_per_million: Dollars = 0.0
    cached_input_per_million: Dollars | None = None
    output_per_million: Dollars = 0.0
    per_image: Dollars = 0.0


class Quirks(Table, frozen=True, kw_only=True):
    """`quirks` of an upstream: how it differs from its dialect."""

    max_tokens_field: OptionalWord = ""
    """The name it knows for the output cap; empty = leave the client's."""
    drop: tuple[Word, ...] = ()
    """Top-level request fields that it rejects."""
    reasoning_replay: bool = False
    efforts: tuple[Word, ...] = ()
    """The efforts of reasoning that it knows; empty = all."""
    tool_id_length: Annotated[int, Bounds(at_least=0, at_most=40)] = 0
    """Letters and digits that the id of a tool call must have; 0 = any."""
    reply_after_results: bool = False


class Upstream(Table, frozen=True, kw_only=True):
    """`[[models.upstreams]]`: one place where a model can be had."""

    provider: Annotated[str, Form(forms.provider_name)]
    model: Word
    edit_model: OptionalWord = ""
    """Images: the vendor's name for edits where it is another one; empty = `model`."""
    priority: Positive = 1
    weight: Weight = 1.0
    price_usd: Price = Price()
    quirks: Quirks = Quirks()


class Model(Table, frozen=True, kw_only=True):
    """`[[models]]`: what members call."""

    id: ModelId
    kind: Kind = "chat"
    name: OptionalName = ""
    description: Prose = ""
    context_window: Positive | None = None
    max_output_tokens: Positive | None = None
    default_output_tokens: Positive | None = None
    """The output cap where a request names none; `None` leaves it to the upstream."""
    inputs: Annotated[tuple[Input, ...], NotEmpty()] = ("text",)
    features: tuple[Feature, ...] = ()
    tier: Positive | None = None
    """Overrides the family's tier."""
    added_at: date | None = None
    retires_at: date | None = None
    replaced_by: ModelId | None = None
    retired: bool = False
    upstreams: tuple[Upstream, ...] = ()

    @property
    def display_name(self) -> str:
        """The name that people see: `name`, else the id."""
        return self.name or self.id
