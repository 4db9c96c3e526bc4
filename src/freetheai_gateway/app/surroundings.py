"""What a gateway has around it: alone in its process, or one of several workers."""

from dataclasses import dataclass, field

from freetheai_gateway.app.local_models import MakeModel, make_local_model
from freetheai_gateway.services.ports import UpstreamClient
from freetheai_gateway.services.reports import NoSiblings, Siblings


@dataclass(frozen=True, slots=True)
class Surroundings:
    """`make_model` gives a provider its embedded model, which runs here or elsewhere; `siblings` are other workers.

    `discord` reaches Discord; by default the gateway's own client does.
    """

    make_model: MakeModel = make_local_model
    siblings: Siblings = field(default_factory=NoSiblings)
    discord: UpstreamClient | None = None
