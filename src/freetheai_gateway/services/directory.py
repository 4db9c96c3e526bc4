"""What is on offer right now: one configuration's catalogue and providers, replaced whole by a reload.

A request reads `offer` once and keeps it, so that a reload never changes a request that runs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from freetheai_gateway.domain.accounts import Account, effective_tier
from freetheai_gateway.domain.catalogue import Catalogue, Model, ModelKind, Tier
from freetheai_gateway.domain.fleet import Fleet
from freetheai_gateway.domain.limits import UNLIMITED, Limits
from freetheai_gateway.domain.pools import PoolPolicy, Upstream
from freetheai_gateway.errors import InvalidRequest
from freetheai_gateway.services.image_ports import ImageMaker
from freetheai_gateway.services.ports import Provider, Readiness

_NOT_CONFIGURED = Readiness.NOT_CONFIGURED


@dataclass(frozen=True, slots=True)
class Site:
    """How the instance speaks of itself in messages to members."""

    name: str
    public_url: str
    has_discord: bool = False
    invite_url: str = ""
    has_role_ladder: bool = False
    """Whether Discord roles raise tiers."""
    support_url: str = ""

    @property
    def where(self) -> str:
        """Where the Discord commands can be typed, as the end of a sentence."""
        return f" in {self.invite_url}" if self.invite_url else ""


@dataclass(frozen=True, slots=True)
class Offer:
    """One configuration, ready to serve. `replaces` is the fleet of the one before, for what a reload keeps.

    `processes`: how many of them serve it on this node, each of which counts alone until they tell each other.
    """

    site: Site
    catalogue: Catalogue
    providers: Mapping[str, Provider]
    concurrency_wait_s: float = 0.0
    public_catalog: bool = False
    wants_check_in: bool = False
    """Whether members check in on Discord once a day."""
    policy: PoolPolicy = field(default_factory=PoolPolicy)
    image_makers: Mapping[str, ImageMaker] = field(default_factory=dict)
    """Who makes pictures, by the provider's name."""
    replaces: Fleet | None = field(default=None, repr=False, compare=False)
    processes: int = 1
    fleet: Fleet = field(init=False, repr=False, compare=False)
    """What is known of the providers while they are called."""
    _usable: Mapping[tuple[str, bool], Sequence[tuple[Upstream, Provider]]] = field(
        init=False, repr=False, compare=False
    )
    """By model and by whether the account is without limits: what never changes while the offer lasts."""

    def __post_init__(self) -> None:
        usable = {
            (model.id, unlimited): [
                (upstream, provider)
                for upstream in model.upstreams
                if (provider := self.providers.get(upstream.provider)) is not None
                and (unlimited or provider.shared_with_members)
            ]
            for model in self.catalogue.models.values()
            for unlimited in (False, True)
        }
        object.__setattr__(self, "_usable", usable)
        terms = {name: provider.terms for name, provider in self.providers.items()}
        object.__setattr__(self, "fleet", Fleet(terms, self.policy, self.replaces, processes=self.processes))
        object.__setattr__(self, "replaces", None)  # else every configuration would keep all those before it

    def find_model(self, name: str, kind: ModelKind) -> Model:
        """Find the model that a client named. Raises `InvalidRequest` with what it may have meant."""
        model = self.catalogue.find(name)
        if model is None:
            raise InvalidRequest(self._unknown(name), code="model_not_found", param="model")
        if model.retired:
            successor = f" Use {model.replaced_by} instead." if model.replaced_by else ""
            raise InvalidRequest(f"{model.id} was retired.{successor}", code="model_retired", param="model")
        if model.kind is not kind:
            raise InvalidRequest(f"{model.id} is not a {kind} model.", code="model_not_supported", param="model")
        return model

    def _unknown(self, name: str) -> str:
        near = self.catalogue.near(name)
        meant = f" Did you mean {' or '.join(near)}?" if near else ""
        return f'unknown aliased model "{name}".{meant} All models: {self.site.public_url}/models'

    def tier_of(self, account: Account) -> Tier:
        """Find the tier that holds for an account."""
        level, _ = effective_tier(account, self.catalogue.default_tier)
        return self.catalogue.tier(level)

    def limits_of(self, account: Account) -> Limits:
        """Find the limits that hold for an account."""
        return UNLIMITED if account.unlimited else self.tier_of(account).limits

    def is_set_up(self, model: Model, *, unlimited: bool = False) -> bool:
        """Whether any upstream of the model can be had: by members, or by an account without limits."""
        return bool(self.upstreams_of(model, unlimited=unlimited))

    def upstreams_of(self, model: Model, *, unlimited: bool) -> list[Upstream]:
        """Find the model's upstreams whose provider has what it needs and may be used by the account."""
        return [
            upstream
            for upstream, provider in self._usable[model.id, unlimited]
            if provider.readiness() is not _NOT_CONFIGURED
        ]


class Directory:
    """Holds the current offer."""

    __slots__ = ("offer",)

    def __init__(self, offer: Offer) -> None:
        self.offer = offer
