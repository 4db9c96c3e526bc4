"""The full catalogue as one viewer sees it: `GET /v1/models/full` (design section 5). Unknown numbers are absent."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from freetheai_gateway.clock import rfc3339
from freetheai_gateway.dialects.protocol import DialectName
from freetheai_gateway.domain.accounts import Account, AccountState, is_paused
from freetheai_gateway.domain.catalogue import Model, ModelKind, Tier
from freetheai_gateway.domain.health import Status, prefix_of
from freetheai_gateway.services.directory import Offer
from freetheai_gateway.services.ports import Provider

_OUTPUTS = {
    ModelKind.CHAT: "text",
    ModelKind.IMAGE: "image",
    ModelKind.EMBEDDING: "embedding",
    ModelKind.SPEECH: "audio",
    ModelKind.TRANSCRIPTION: "text",
}
_CHAT_ROUTES = {
    DialectName.OPENAI_CHAT: "/v1/chat/completions",
    DialectName.ANTHROPIC_MESSAGES: "/v1/messages",
    DialectName.OPENAI_RESPONSES: "/v1/responses",
}
_IMAGE_ROUTES = {"generate": "/v1/images/generations", "edit": "/v1/images/edits"}
_OTHER_ROUTES = {
    ModelKind.EMBEDDING: "/v1/embeddings",
    ModelKind.SPEECH: "/v1/audio/speech",
    ModelKind.TRANSCRIPTION: "/v1/audio/transcriptions",
}

Entry = dict[str, object]
Reaches = Callable[[DialectName, Provider], bool]
"""Whether a client of a dialect can be served by a provider."""


@dataclass(frozen=True, slots=True)
class Viewer:
    """Through whose eyes the catalogue is seen; without a key as the default tier."""

    tier: Tier
    authenticated: bool
    unlimited: bool = False
    suspended: bool = False


def viewer_of(account: Account | None, offer: Offer, now: float) -> Viewer:
    """Make the viewer of an account, or of someone without a key."""
    if account is None:
        return Viewer(offer.catalogue.tier(offer.catalogue.default_tier), authenticated=False)
    suspended = account.state is AccountState.LEFT or is_paused(account, now)
    return Viewer(offer.tier_of(account), authenticated=True, unlimited=account.unlimited, suspended=suspended)


def describe_catalogue(offer: Offer, viewer: Viewer, statuses: Mapping[str, Status], reaches: Reaches) -> Entry:
    """Describe every model with the viewer's access, and the policy behind it; `generated_at` is left to the caller."""
    return {
        "viewer": {
            "authenticated": viewer.authenticated,
            "tier": viewer.tier.name,
            "tier_rank": viewer.tier.level,
            "unlimited": viewer.unlimited,
        },
        "data": [_describe(model, offer, viewer, statuses, reaches) for model in offer.catalogue.models.values()],
        "policy": _policy(offer),
    }


def _describe(model: Model, offer: Offer, viewer: Viewer, statuses: Mapping[str, Status], reaches: Reaches) -> Entry:
    tier = offer.catalogue.tier_that_opens(model)
    entry: Entry = {
        "id": model.id,
        "object": "model",
        "owned_by": "gateway",
        "created": model.created,
        "name": model.name,
        "prefix": prefix_of(model.id),
        "kind": model.kind.value,
        "family": model.family,
        "tier": tier.name if tier is not None else None,
        "tier_rank": model.tier_level,
        "inputs": model.inputs,
        "outputs": [_OUTPUTS[model.kind]],
        "features": model.features,
        "supported_routes": routes_of(model, offer, reaches),
        "lifecycle": lifecycle_of(model),
        "access": _access(model, offer, viewer, tier),
        "health": {"status": statuses.get(prefix_of(model.id), Status.UNKNOWN).value},
    }
    known = {
        "context_window": model.context_window,
        "max_output_tokens": model.max_output_tokens,
        "description": model.description or None,
        "retires_at": model.retires_at,
        "replaced_by": model.replaced_by,
    }
    return entry | {name: value for name, value in known.items() if value is not None}


def routes_of(model: Model, offer: Offer, reaches: Reaches) -> list[str]:
    """Name the routes that answer for a model."""
    if model.kind is ModelKind.IMAGE:
        return [route for feature, route in _IMAGE_ROUTES.items() if feature in model.features]
    if model.kind is not ModelKind.CHAT:
        return [_OTHER_ROUTES[model.kind]]
    providers = [offer.providers[up.provider] for up in model.upstreams if up.provider in offer.providers]
    return [route for dialect, route in _CHAT_ROUTES.items() if any(reaches(dialect, each) for each in providers)]


def lifecycle_of(model: Model) -> str:
    """Tell where a model is in its life: `active`, `retiring` or `retired`."""
    return "retired" if model.retired else "retiring" if model.retires_at else "active"


def access_of(model: Model, offer: Offer, viewer: Viewer) -> str | None:
    """Say what stands between a viewer and a model (design section 5, `reason`); `None` where nothing does."""
    if model.retired:
        return "retired"
    if viewer.suspended:
        return "suspended"
    if not viewer.unlimited and viewer.tier.level < model.tier_level:
        return "tier"
    return None if offer.is_set_up(model, unlimited=viewer.unlimited) else "not_configured"


def _access(model: Model, offer: Offer, viewer: Viewer, tier: Tier | None) -> Entry:
    required: Entry = {"required_tier": tier.name if tier is not None else None, "required_tier_rank": model.tier_level}
    reason = access_of(model, offer, viewer)
    return {"available": True, **required} if reason is None else {"available": False, "reason": reason, **required}


def _policy(offer: Offer) -> Entry:
    catalogue = offer.catalogue
    return {
        "default_tier": catalogue.default_tier,
        "ladders": ["role"] if offer.site.has_role_ladder else [],
        "tiers": [
            {
                "level": tier.level,
                "name": tier.name,
                "minimum_invites": tier.minimum_invites,
                "requests_per_minute": tier.limits.requests_per_minute,
                "concurrency": tier.limits.concurrency,
                "daily_requests": tier.limits.daily_requests,
                "images_per_day": tier.images_per_day,
            }
            for tier in catalogue.tiers
        ],
        "families": [
            {"name": family.name, "minimum_tier": family.minimum_tier, "models": family.patterns}
            for family in catalogue.families
        ],
    }


def stamp(body: Entry, kind: str, now: float) -> Entry:
    """Put the envelope's first keys before a body."""
    return {"object": kind, "generated_at": rfc3339(now), **body}
