"""From method and path to a handler, forgivingly."""

import pytest

from freetheai_gateway.dialects.openai_chat import OpenAIChat
from freetheai_gateway.errors import MethodNotAllowed, NotFound
from freetheai_gateway.web.request import Request
from freetheai_gateway.web.response import Response
from freetheai_gateway.web.routes import Found, Route, Router


async def _handle(_request: Request, _response: Response) -> None:
    """Stand for a handler."""


CHAT = OpenAIChat()
GET, POST = {"GET": _handle}, {"POST": _handle}
ROUTER = Router(
    [
        Route("/chat/completions", POST, CHAT),
        Route("/models", GET, CHAT),
        Route("/models", GET, CHAT, takes_rest="id"),
        Route("/models/full", GET, CHAT),
        Route("/images/generations", POST, CHAT),
        Route("/images/generations", GET, CHAT, takes_rest="id"),
        Route("/", GET, CHAT),
        Route("/", GET, CHAT, top=True),
        Route("/healthz", GET, CHAT, top=True),
    ]
)


def _find(path: str) -> Found:
    return ROUTER.find(path)


@pytest.mark.parametrize(
    "path",
    [
        "/v1/chat/completions",
        "/chat/completions",
        "/v1/v1/chat/completions",
        "/v1/v1/v1/chat/completions",
        "/v1/chat/completions/",
        "/v1//chat/completions",
        "//v1//chat//completions//",
        "/chat/completions///",
    ],
)
def test_route_when_the_base_url_was_pasted_in_another_form_then_it_is_found(path: str) -> None:
    """Without `/v1`, with it doubled, with doubled and trailing slashes; the label is always the same."""
    found = _find(path)
    assert (found.name, found.params) == ("/v1/chat/completions", {})


@pytest.mark.parametrize(
    ("path", "model"),
    [
        ("/v1/models/glm/glm-5.1", "glm/glm-5.1"),
        ("/models/glm/glm-5.1/", "glm/glm-5.1"),
        ("/v1/v1/models//glm//glm-5.1", "glm/glm-5.1"),
        ("/v1/models/a:b.c/d@e", "a:b.c/d@e"),
        ("/v1/models/models/x", "models/x"),
        ("/v1/models/v1/models/x", "v1/models/x"),
        ("/v1/models/fuller", "fuller"),
        ("/v1/models/full/x", "full/x"),
        ("/v1/models/ä\x00\u202e", "ä\x00\u202e"),
    ],
)
def test_model_id_is_the_rest_of_the_path(path: str, model: str) -> None:
    """Slashes included; the edge has undone `%2F` before."""
    found = _find(path)
    assert (found.name, found.params) == ("/v1/models/{id}", {"id": model})


@pytest.mark.parametrize("path", ["/v1/models/full", "/models/full/", "//v1//models//full", "/v1/v1/models/full"])
def test_route_below_models_is_never_taken_for_a_model(path: str) -> None:
    """Whatever stands before or after it."""
    assert _find(path).name == "/v1/models/full"


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/v1/models", "/v1/models"),
        ("/models/", "/v1/models"),
        ("/v1", "/v1"),
        ("/v1/", "/v1"),
        ("/v1/v1/", "/v1"),
        ("/", "/"),
        ("", "/"),
        ("//", "/"),
        ("/healthz", "/healthz"),
        ("/healthz/", "/healthz"),
        ("/v1/images/generations", "/v1/images/generations"),
        ("/v1/images/generations/job_1", "/v1/images/generations/{id}"),
    ],
)
def test_route_has_its_label(path: str, name: str) -> None:
    """Labels name routes in records, logs and metrics, so they are few."""
    assert _find(path).name == name


@pytest.mark.parametrize(
    "path",
    [
        "/v1/nothing",
        "/v1/chat",
        "/v1/chat/completions/x",
        "/v11/models",
        "/v1models",
        "/V1/models",
        "/v1/healthz",
        "/v2/chat/completions",
        "/v1/modelsx",
        "/v1/../healthz",
        "*",
        "\x00",
        "/v1/%6Dodels",
        "/" + "a" * 100_000,
    ],
)
def test_route_when_there_is_none_then_the_answer_says_where_to_look(path: str) -> None:
    """A long path is not repeated whole."""
    with pytest.raises(NotFound) as caught:
        _find(path)
    assert caught.value.message.startswith("There is no route ")
    assert caught.value.message.endswith(". See /v1/models for what can be called.")
    assert len(caught.value.message) < 200


@pytest.mark.timeout(2)
def test_route_when_the_path_is_very_long_then_it_is_judged_in_one_pass() -> None:
    """A megabyte of prefixes or slashes; the edge's cap is 64 kB."""
    assert _find("/v1" * 300_000 + "/models").name == "/v1/models"
    assert _find("/" * 1_000_000 + "models").name == "/v1/models"


def test_method_when_it_is_head_then_it_is_answered_as_get() -> None:
    """The edge leaves the body out."""
    assert _find("/v1/models").handler("HEAD") is _handle
    with pytest.raises(MethodNotAllowed):
        _find("/v1/chat/completions").handler("HEAD")


@pytest.mark.parametrize(
    ("path", "method", "words", "allow"),
    [
        ("/chat/completions/", "GET", "GET is not allowed on /v1/chat/completions; use POST.", b"OPTIONS, POST"),
        ("/v1/models", "POST", "POST is not allowed on /v1/models; use GET.", b"GET, HEAD, OPTIONS"),
        ("/v1/models/x", "DELETE", "DELETE is not allowed on /v1/models/{id}; use GET.", b"GET, HEAD, OPTIONS"),
    ],
)
def test_method_when_wrong_then_the_right_ones_are_named(path: str, method: str, words: str, allow: bytes) -> None:
    """In the sentence, and in `allow` with those that every route has (RFC 9110 section 10.2.1)."""
    with pytest.raises(MethodNotAllowed) as caught:
        _find(path).handler(method)
    assert caught.value.message == words
    assert caught.value.code == "method_not_allowed"
    assert dict(caught.value.headers)[b"allow"] == allow


def test_method_when_absurd_then_it_is_not_repeated_whole() -> None:
    """Nor may it break the answer."""
    with pytest.raises(MethodNotAllowed) as caught:
        _find("/v1/models").handler("X" * 10_000)
    assert len(caught.value.message) < 100
