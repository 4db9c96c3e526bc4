"""Small offers and callers for tests of the use cases: values with sensible defaults, nothing else."""

from collections.abc import Sequence

from freetheai_gateway.domain.accounts import Account, ApiKey, Caller
from freetheai_gateway.domain.catalogue import Alias, Catalogue, Family, Model, ModelKind, Tier
from freetheai_gateway.domain.limits import Limits
from freetheai_gateway.domain.pools import PoolPolicy, Upstream
from freetheai_gateway.domain.usage import Price
from freetheai_gateway.services.directory import Offer, Site
from freetheai_gateway.services.ports import Provider
from freetheai_gateway.testing.ports import FakeProvider

GLM = "glm/glm-5.1"
UPSTREAM_GLM = "glm-5.1"
PRICE = Price(input_per_million=1.0, cached_input_per_million=0.5, output_per_million=2.0)

STARTER = Tier(1, "Starter", Limits(requests_per_minute=10, concurrency=1))
REGULAR = Tier(3, "Regular", Limits(requests_per_minute=20, concurrency=2))

ONCE = PoolPolicy(attempts=1, breaker_failures=1_000_000, max_cooldown_s=0.0, dead_key_s=0.0)
"""Every request is sent once, and no failure is held against an upstream."""

PUBLIC_URL = "https://ai.example.org"
SITE = Site(name="Example", public_url=PUBLIC_URL)
DISCORD_SITE = Site(name="Example", public_url=PUBLIC_URL, has_discord=True)
INVITING_SITE = Site(name="Example", public_url=PUBLIC_URL, has_discord=True, invite_url="https://discord.gg/example")


def chat_model(
    model_id: str = GLM,
    *,
    kind: ModelKind = ModelKind.CHAT,
    tier_level: int = 1,
    upstreams: Sequence[Upstream] | None = None,
    retired: bool = False,
    replaced_by: str | None = None,
    default_output_tokens: int | None = None,
) -> Model:
    """Make a model of the provider `zai`."""
    return Model(
        id=model_id,
        kind=kind,
        name=model_id,
        tier_level=tier_level,
        family="Core",
        upstreams=(Upstream("zai", UPSTREAM_GLM, price=PRICE),) if upstreams is None else tuple(upstreams),
        retired=retired,
        replaced_by=replaced_by,
        default_output_tokens=default_output_tokens,
    )


def make_offer(
    *models: Model,
    providers: Sequence[Provider] | None = None,
    tiers: Sequence[Tier] = (STARTER, REGULAR),
    aliases: Sequence[Alias] = (),
    families: Sequence[Family] = (),
    site: Site = SITE,
    concurrency_wait_s: float = 0.0,
    policy: PoolPolicy = ONCE,
    wants_check_in: bool = False,
    processes: int = 1,
) -> Offer:
    """Make an offer of these models, by default of one chat model at a provider that is ready."""
    catalogue = Catalogue(
        models={model.id: model for model in models or (chat_model(),)},
        tiers=tuple(tiers),
        families=tuple(families),
        aliases=tuple(aliases),
        default_tier=1,
    )
    ready: Sequence[Provider] = (FakeProvider(),) if providers is None else providers
    return Offer(
        site=site,
        catalogue=catalogue,
        providers={provider.name: provider for provider in ready},
        concurrency_wait_s=concurrency_wait_s,
        policy=policy,
        wants_check_in=wants_check_in,
        processes=processes,
    )


def member(account: Account | None = None, *, tier: int | None = None, unlimited: bool = False) -> Caller:
    """Make a caller; by default a member of the default tier."""
    account = account or Account("acc_1", "Member", 0.0, tier_override=tier, unlimited=unlimited)
    return Caller("key_1", "fta_Ab3d", account)


def stored_key(key_id: str = "key_1", account_id: str = "acc_1") -> ApiKey:
    """Make a key as a store keeps it."""
    return ApiKey(key_id, account_id, "laptop", "fta_Ab3d", b"\0" * 32, 0.0)
