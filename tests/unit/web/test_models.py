"""`GET /v1/models` and `GET /v1/models/{id}`."""

import pytest

from freetheai_gateway.dialects.openai_chat import OpenAIChat
from freetheai_gateway.domain.accounts import Caller
from freetheai_gateway.domain.pools import Upstream
from freetheai_gateway.errors import NotFound, Unauthenticated
from freetheai_gateway.ids import key_digest, new_key
from freetheai_gateway.jsonc import decode_any
from freetheai_gateway.services.authenticate import Authenticator
from freetheai_gateway.services.directory import Directory
from freetheai_gateway.services.ports import Readiness
from freetheai_gateway.services.trace import Trace
from freetheai_gateway.testing.asgi import Client
from freetheai_gateway.testing.clock import FakeClock
from freetheai_gateway.testing.offers import chat_model, make_offer, member
from freetheai_gateway.testing.ports import FakeProvider, StaticKeyLookup
from freetheai_gateway.web.models import ModelRoutes, describe
from freetheai_gateway.web.response import Response

KEY = new_key()
OFFER = make_offer(
    chat_model("glm/a"),
    chat_model("vhr/high", tier_level=3),
    chat_model("old/retired", retired=True),
    chat_model("rev/unset", upstreams=[Upstream("later", "x")]),
    chat_model("own/unshared", upstreams=[Upstream("own", "x")]),
    providers=[
        FakeProvider("zai"),
        FakeProvider("later", state=Readiness.NOT_CONFIGURED),
        FakeProvider("own", shared_with_members=False),
    ],
)


async def _ask(caller: Caller | None = None, model: str = "", key: str = KEY) -> dict[str, object]:
    client = Client("GET", "/v1/models", [(b"authorization", b"Bearer " + key.encode())])
    directory = Directory(OFFER)
    routes = ModelRoutes(directory, Authenticator(StaticKeyLookup({key_digest(KEY): caller or member()}), directory))
    trace = Trace("req_1", "/v1/models", FakeClock())
    response = Response(client.send, client.connection, trace, OpenAIChat(), 60.0)
    request = client.request
    if model:
        request.params = {"id": model}
        await routes.show_model(request, response)
    else:
        await routes.list_models(request, response)
    body = decode_any(client.body)
    assert isinstance(body, dict)
    return body


async def _ids(caller: Caller | None = None) -> list[str]:
    body = await _ask(caller)
    assert isinstance(body["data"], list)
    return [entry["id"] for entry in body["data"]]


async def test_list_has_what_the_caller_can_call() -> None:
    """By tier and set-up; never what is retired."""
    assert await _ids() == ["glm/a"]
    assert await _ids(member(tier=3)) == ["glm/a", "vhr/high"]
    assert await _ids(member(unlimited=True)) == ["glm/a", "vhr/high", "own/unshared"]


async def test_list_has_the_shape_of_both_clients() -> None:
    """OpenAI's list, and the page marks that Anthropic's client reads."""
    body = await _ask(member(tier=3))
    assert {name: value for name, value in body.items() if name != "data"} == {
        "object": "list",
        "has_more": False,
        "first_id": "glm/a",
        "last_id": "vhr/high",
    }


@pytest.mark.parametrize("key", ["", new_key()])
async def test_list_when_there_is_no_good_key_then_it_is_refused(key: str) -> None:
    """The list is the caller's."""
    with pytest.raises(Unauthenticated):
        await _ask(key=key)


async def test_model_when_asked_by_its_id_then_it_is_described() -> None:
    """The same entry as in the list; unknown numbers are absent."""
    assert await _ask(model="glm/a") == {
        "id": "glm/a",
        "object": "model",
        "created": 0,
        "owned_by": "gateway",
        "type": "model",
        "display_name": "glm/a",
        "created_at": "1970-01-01T00:00:00Z",
    }


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ("glm/b", 'There is no model "glm/b" for this key. Did you mean glm/a?'),
        ("a", 'There is no model "a" for this key. Did you mean glm/a?'),
        ("vhr/high", 'There is no model "vhr/high" for this key.'),
        ("old/retired", 'There is no model "old/retired" for this key.'),
        ("zzz", 'There is no model "zzz" for this key.'),
    ],
)
async def test_model_when_the_caller_has_none_of_that_id_then_only_callable_ones_are_suggested(
    wanted: str, words: str
) -> None:
    """Never the very id that was asked for."""
    with pytest.raises(NotFound) as caught:
        await _ask(model=wanted)
    assert (caught.value.message, caught.value.code) == (words, "model_not_found")


async def test_model_when_its_id_is_very_long_then_it_is_not_repeated_whole() -> None:
    """Nor taken long to compare."""
    with pytest.raises(NotFound) as caught:
        await _ask(model="x" * 60_000)
    assert len(caught.value.message) < 300


def test_description_when_numbers_are_known_then_they_are_there() -> None:
    """Context, output and the sentence about it."""
    model = chat_model()
    entry = describe(
        type(model)(
            id=model.id,
            kind=model.kind,
            name="GLM 5.1",
            tier_level=1,
            family="Core",
            upstreams=(),
            description="Good.",
            context_window=200_000,
            max_output_tokens=131_072,
        )
    )
    assert (entry["display_name"], entry["description"]) == ("GLM 5.1", "Good.")
    assert (entry["context_length"], entry["max_output_tokens"]) == (200_000, 131_072)
