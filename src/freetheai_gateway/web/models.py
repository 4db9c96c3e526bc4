"""`GET /v1/models` and `GET /v1/models/{id}`: one shape that OpenAI's and Anthropic's clients both read."""

from freetheai_gateway.clock import rfc3339
from freetheai_gateway.domain.catalogue import Model
from freetheai_gateway.errors import NotFound
from freetheai_gateway.jsonc import encode
from freetheai_gateway.services.authenticate import Authenticator
from freetheai_gateway.services.directory import Directory, Offer
from freetheai_gateway.web.credentials import presented_key
from freetheai_gateway.web.request import Request
from freetheai_gateway.web.response import Response


class ModelRoutes:
    """Lists what the caller can call and what is set up."""

    def __init__(self, directory: Directory, authenticator: Authenticator) -> None:
        self._directory = directory
        self._authenticator = authenticator

    async def list_models(self, request: Request, response: Response) -> None:
        """Answer `GET /v1/models`."""
        offer = await self._offer_for(request, response)
        data = [describe(model) for model in self._callable(offer, response)]
        body = {
            "object": "list",
            "data": data,
            "has_more": False,
            "first_id": data[0]["id"] if data else None,
            "last_id": data[-1]["id"] if data else None,
        }
        await response.reply(encode(body))

    async def show_model(self, request: Request, response: Response) -> None:
        """Answer `GET /v1/models/{id}`; an id may hold slashes, encoded or not."""
        offer = await self._offer_for(request, response)
        wanted = request.params["id"]
        callable_ = {model.id: model for model in self._callable(offer, response)}
        model = callable_.get(wanted)
        if model is None:
            near = [model_id for model_id in offer.catalogue.near(wanted) if model_id in callable_]
            meant = f" Did you mean {' or '.join(near)}?" if near else ""
            raise NotFound(f'There is no model "{wanted[:200]}" for this key.{meant}', code="model_not_found")
        await response.reply(encode(describe(model)))

    async def _offer_for(self, request: Request, response: Response) -> Offer:
        response.trace.caller = await self._authenticator.caller(presented_key(request.headers), request.sender)
        return self._directory.offer

    @staticmethod
    def _callable(offer: Offer, response: Response) -> list[Model]:
        caller = response.trace.caller
        assert caller is not None
        unlimited, level = caller.account.unlimited, offer.tier_of(caller.account).level
        return [
            model
            for model in offer.catalogue.models.values()
            if not model.retired
            and (unlimited or model.tier_level <= level)
            and offer.is_set_up(model, unlimited=unlimited)
        ]


def describe(model: Model) -> dict[str, object]:
    """Describe a model in the superset of both clients' shapes; unknown numbers are absent."""
    entry: dict[str, object] = {
        "id": model.id,
        "object": "model",
        "created": model.created,
        "owned_by": "gateway",
        "type": "model",
        "display_name": model.name,
        "created_at": rfc3339(model.created),
    }
    if model.description:
        entry["description"] = model.description
    if model.context_window is not None:
        entry["context_length"] = model.context_window
    if model.max_output_tokens is not None:
        entry["max_output_tokens"] = model.max_output_tokens
    return entry
