"""`freetheai models`: what the configuration offers, and what of it can be called."""

from typing import TYPE_CHECKING

from freetheai_gateway.cli.options import ConfigOption, JsonOption
from freetheai_gateway.cli.output import Column, print_page
from freetheai_gateway.cli.session import read_settings

if TYPE_CHECKING:
    from freetheai_gateway.domain.catalogue import Catalogue, Model
    from freetheai_gateway.settings import Provider

COLUMNS = (
    Column("id", "MODEL"),
    Column("kind", "KIND"),
    Column("tier", "TIER"),
    Column("family", "FAMILY"),
    Column("providers", "PROVIDERS"),
    Column("set_up", "SET UP"),
    Column("reason", "WHY NOT"),
)


def models(*, as_json: JsonOption = False, config: ConfigOption = None) -> None:
    """List the models, who may call them, and what is not set up."""
    from freetheai_gateway.app.offers import build_catalogue

    settings = read_settings(config)
    catalogue = build_catalogue(settings)
    obstacles = {provider.name: _obstacle(provider) for provider in settings.providers}
    rows = [_row(model, catalogue, obstacles) for model in catalogue.models.values()]
    print_page(rows, COLUMNS, as_json=as_json, empty="The configuration names no models.")


def _row(model: "Model", catalogue: "Catalogue", obstacles: dict[str, str]) -> dict[str, object]:
    tier = catalogue.tier_that_opens(model)
    providers = list(dict.fromkeys(upstream.provider for upstream in model.upstreams))
    reasons = list(dict.fromkeys(obstacles[provider] for provider in providers)) or ["it names no upstream"]
    set_up = "" in reasons
    if model.retired:
        reasons = [f"it is retired; its successor is {model.replaced_by}" if model.replaced_by else "it is retired"]
    return {
        "id": model.id,
        "kind": model.kind.value,
        "tier": tier.name if tier is not None else None,
        "family": model.family,
        "providers": providers,
        "set_up": set_up and not model.retired,
        "reason": "; ".join(reasons) if model.retired or not set_up else None,
    }


def _obstacle(provider: "Provider") -> str:
    """Say what keeps a provider from being called; empty where nothing does."""
    from freetheai_gateway.app.offers import LOCAL_API
    from freetheai_gateway.upstream.llamacpp.discover import Missing, locate
    from freetheai_gateway.upstream.llamacpp.settings import LocalModelSettings
    from freetheai_gateway.upstream.providers import APIS

    if not provider.is_set_up:
        return f"{provider.name} has no key"
    if provider.api == LOCAL_API:
        found = locate(LocalModelSettings(model_path=provider.model_path))
        return f"{found.what}: {found.mend}" if isinstance(found, Missing) else ""
    return "" if provider.api in APIS else f"{provider.name} speaks {provider.api}, which this version does not"
