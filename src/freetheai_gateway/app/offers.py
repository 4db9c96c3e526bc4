"""From the configuration to what is on offer: catalogue, tiers, providers."""

from collections.abc import Mapping
from datetime import UTC, date, datetime

from msgspec.structs import asdict

from freetheai_gateway.app.images import SKETCH_API, build_image_makers
from freetheai_gateway.domain.catalogue import OTHER_FAMILY, Alias, Catalogue, Family, Model, ModelKind, Tier, family_of
from freetheai_gateway.domain.fleet import Fleet
from freetheai_gateway.domain.limits import Limits
from freetheai_gateway.domain.pools import KeyLimits, PoolPolicy, Quirks, Timeouts, Upstream
from freetheai_gateway.domain.usage import Price
from freetheai_gateway.services.directory import Offer, Site
from freetheai_gateway.services.ports import Provider, UpstreamClient
from freetheai_gateway.settings.catalogue import Model as ModelSettings
from freetheai_gateway.settings.catalogue import Provider as ProviderSettings
from freetheai_gateway.settings.catalogue import Tier as TierSettings
from freetheai_gateway.settings.catalogue import Upstream as UpstreamSettings
from freetheai_gateway.settings.tree import Settings
from freetheai_gateway.upstream.images.sketch import SketchProvider
from freetheai_gateway.upstream.llamacpp.model import EmbeddedModel
from freetheai_gateway.upstream.llamacpp.provider import LocalProvider
from freetheai_gateway.upstream.providers import APIS, HTTPProvider, ProviderConfig

LOCAL_API = "llamacpp"


def build_offer(
    settings: Settings,
    local_models: Mapping[str, EmbeddedModel],
    replaces: Fleet | None = None,
    *,
    client: UpstreamClient | None = None,
) -> Offer:
    """Build the offer of one configuration; `local_models` are the running children by provider name.

    `replaces` is the fleet of the configuration before, whose breakers, keys and counts are taken over;
    `client` is what image providers are called with.
    """
    providers = {
        provider.name: _provider(provider, local_models)
        for provider in settings.providers
        if provider.api in APIS or provider.api in {LOCAL_API, SKETCH_API}
    }
    return Offer(
        site=Site(
            name=settings.site.name,
            public_url=settings.server.public_url,
            has_discord=settings.discord.is_on,
            invite_url=settings.discord.invite_url,
            has_role_ladder=settings.discord.is_on and bool(settings.discord.tier_roles),
            support_url=settings.site.support_url,
        ),
        catalogue=build_catalogue(settings),
        providers=providers,
        image_makers=build_image_makers(settings, providers, client),
        concurrency_wait_s=settings.access.concurrency_wait_s,
        public_catalog=settings.access.public_catalog,
        wants_check_in=settings.access.check_in and settings.discord.is_on,
        policy=PoolPolicy(**asdict(settings.pools)),
        replaces=replaces,
        processes=settings.server.workers,
    )


def build_catalogue(settings: Settings) -> Catalogue:
    """Build the catalogue with each model's family and tier decided."""
    families = tuple(
        Family(name=family.name, patterns=family.models, minimum_tier=family.minimum_tier)
        for family in settings.families
    )
    return Catalogue(
        models={model.id: _model(model, families) for model in settings.models},
        tiers=tuple(_tier(tier, settings) for tier in settings.tiers),
        families=families,
        aliases=tuple(Alias(pattern=alias.match, model=alias.model) for alias in settings.aliases),
        default_tier=settings.access.default_tier,
    )


def _tier(tier: TierSettings, settings: Settings) -> Tier:
    daily = settings.access.daily_requests if tier.daily_requests is None else tier.daily_requests
    limits = Limits(
        requests_per_minute=tier.requests_per_minute,
        tokens_per_minute=tier.tokens_per_minute,
        concurrency=tier.concurrency,
        daily_requests=daily or None,
        images_per_day=tier.images_per_day,
        image_cooldown_s=tier.image_cooldown_s,
        window_s=settings.limits.window_s,
    )
    return Tier(
        level=tier.level,
        name=tier.name,
        limits=limits,
        minimum_invites=tier.minimum_invites,
        images_per_day=tier.images_per_day,
    )


def _model(model: ModelSettings, families: tuple[Family, ...]) -> Model:
    family = family_of(model.id, families)
    family_tier = family.minimum_tier if family is not None else 1
    return Model(
        id=model.id,
        kind=ModelKind(model.kind),
        name=model.display_name,
        tier_level=family_tier if model.tier is None else model.tier,
        family=family.name if family is not None else OTHER_FAMILY,
        upstreams=tuple(_upstream(upstream) for upstream in model.upstreams),
        description=model.description,
        context_window=model.context_window,
        max_output_tokens=model.max_output_tokens,
        default_output_tokens=model.default_output_tokens,
        inputs=tuple(model.inputs),
        features=tuple(model.features),
        created=_midnight(model.added_at) if model.added_at is not None else 0,
        retired=model.retired,
        retires_at=model.retires_at.isoformat() if model.retires_at is not None else None,
        replaced_by=model.replaced_by,
    )


def _midnight(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())


def _upstream(upstream: UpstreamSettings) -> Upstream:
    price, quirks = upstream.price_usd, upstream.quirks
    return Upstream(
        provider=upstream.provider,
        model=upstream.model,
        edit_model=upstream.edit_model,
        priority=upstream.priority,
        weight=upstream.weight,
        price=Price(
            input_per_million=price.input_per_million,
            cached_input_per_million=price.cached_input_per_million,
            output_per_million=price.output_per_million,
            per_image=price.per_image,
        ),
        quirks=Quirks(
            max_tokens_field=quirks.max_tokens_field,
            drop=quirks.drop,
            reasoning_replay=quirks.reasoning_replay,
            efforts=quirks.efforts,
            tool_id_length=quirks.tool_id_length,
            reply_after_results=quirks.reply_after_results,
        ),
    )


def _provider(provider: ProviderSettings, local_models: Mapping[str, EmbeddedModel]) -> Provider:
    timeouts = Timeouts(
        connect_s=provider.timeouts.connect_s,
        first_byte_s=provider.timeouts.first_byte_s,
        first_content_s=provider.timeouts.first_content_s,
        idle_s=provider.timeouts.idle_s,
        total_s=provider.timeouts.total_s,
    )
    if provider.api == SKETCH_API:
        return SketchProvider(provider.name, shared_with_members=provider.shared_with_members)
    if provider.api == LOCAL_API:
        return LocalProvider(
            provider.name,
            local_models[provider.name],
            timeouts=timeouts,
            max_concurrency=provider.max_concurrency,
            shared_with_members=provider.shared_with_members,
        )
    return HTTPProvider(
        ProviderConfig(
            name=provider.name,
            api=provider.api,
            base_url=provider.base_url,
            api_keys=tuple(provider.api_keys),
            proxy=provider.proxy,
            max_concurrency=provider.max_concurrency,
            key_limits=_key_limits(provider),
            daily_budget_micro_usd=round(provider.daily_budget_usd * 1_000_000),
            timeouts=timeouts,
            shared_with_members=provider.shared_with_members,
            fetches_image_urls=provider.fetches_image_urls,
            headers=provider.headers,
        )
    )


def _key_limits(provider: ProviderSettings) -> KeyLimits:
    limits = provider.limits_per_key
    return KeyLimits(
        requests_per_minute=limits.requests_per_minute,
        requests_per_day=limits.requests_per_day,
        tokens_per_minute=limits.tokens_per_minute,
        tokens_per_day=limits.tokens_per_day,
        day_starts_s=limits.day_starts_s,
    )
