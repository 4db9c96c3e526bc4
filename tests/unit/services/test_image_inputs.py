"""Pictures that chat requests only point at: each client dialect, on upstreams that fetch and on those that don't."""

from base64 import b64encode

import pytest

from freetheai_gateway.app.dialects import CLIENTS, UPSTREAMS
from freetheai_gateway.dialects.anthropic_messages import AnthropicMessages
from freetheai_gateway.dialects.image_links import may_hold_pictures
from freetheai_gateway.dialects.openai_chat import OpenAIChat
from freetheai_gateway.dialects.openai_images import PictureRules
from freetheai_gateway.dialects.openai_responses import OpenAIResponses
from freetheai_gateway.dialects.protocol import Dialect
from freetheai_gateway.domain.pools import Upstream
from freetheai_gateway.errors import GatewayError, InvalidRequest, RequestTooLarge
from freetheai_gateway.jsonc import decode_any, encode
from freetheai_gateway.services.completions import Completions
from freetheai_gateway.services.dispatch import Dispatcher
from freetheai_gateway.services.image_inputs import ImageInputs
from freetheai_gateway.services.lanes import LaneBuilder
from freetheai_gateway.settings.defaults import OFFICIAL_BASE_URLS
from freetheai_gateway.testing.offers import GLM, chat_model, make_offer
from freetheai_gateway.testing.ports import FakeReply
from freetheai_gateway.upstream.providers import HTTPProvider, ProviderConfig
from tests.images.table import drawn
from tests.unit.services.governed import Governed

URL = "https://pictures.example/cat.png"
PICTURE = drawn()
BASE64 = b64encode(PICTURE.data)
CHAT, MESSAGES, RESPONSES = OpenAIChat(), AnthropicMessages(), OpenAIResponses()
CLIENT_DIALECTS: tuple[Dialect, ...] = (CHAT, MESSAGES, RESPONSES)
FETCHING, FETCHLESS = ("openai", "openai-responses", "anthropic"), ("gemini",)


def asked(dialect: Dialect, url: str = URL) -> bytes:
    """Write a question about a picture at an address."""
    text = "What is it?"
    if dialect is RESPONSES:
        items = [{"type": "input_text", "text": text}, {"type": "input_image", "image_url": url}]
        return encode({"model": GLM, "input": [{"role": "user", "content": items}]})
    image: dict[str, object] = {"type": "image_url", "image_url": {"url": url}}
    if dialect is MESSAGES:
        image = {"type": "image", "source": {"type": "url", "url": url}}
    return encode(
        {
            "model": GLM,
            "max_tokens": 9,
            "messages": [{"role": "user", "content": [{"type": "text", "text": text}, image]}],
        }
    )


class Web:
    """Implements `PictureFetcher`."""

    def __init__(self, data: bytes = PICTURE.data) -> None:
        self.data = data
        self.fetched: list[str] = []

    async def fetch(self, url: str, param: str) -> bytes:
        """Give the picture."""
        self.fetched.append(url)
        return self.data


class Case:
    """A gateway before one upstream, which answers nothing that matters."""

    def __init__(
        self, api: str, web: Web | None = None, *, fetches: bool | None = None, max_pixels: int = 10**6
    ) -> None:
        config = ProviderConfig(
            name="zai", api=api, base_url=OFFICIAL_BASE_URLS[api], api_keys=("k",), fetches_image_urls=fetches
        )
        offer = make_offer(chat_model(upstreams=[Upstream("zai", "some-model")]), providers=[HTTPProvider(config)])
        self.governed = Governed(FakeReply(b"{}", status=400), offer=offer)
        inputs = ImageInputs(PictureRules(max_pixels=max_pixels), web)
        lanes = LaneBuilder(CLIENTS, UPSTREAMS)
        dispatcher = Dispatcher(self.governed.client, lanes, self.governed.clock, inputs)
        self.governed.completions = Completions(
            self.governed.directory, self.governed.admission, dispatcher, self.governed.ledger
        )

    async def ask(self, dialect: Dialect, body: bytes) -> GatewayError:
        """Ask; returns the error that ends it."""
        return await self.governed.error(body, dialect=dialect)

    @property
    def sent(self) -> bytes:
        """What the upstream got; empty where it was not called."""
        requests = self.governed.client.requests
        return requests[0].body if requests else b""


@pytest.mark.parametrize("api", FETCHING)
@pytest.mark.parametrize("dialect", CLIENT_DIALECTS, ids=lambda dialect: dialect.name)
async def test_address_when_the_upstream_fetches_by_itself_then_it_goes_on_and_nothing_is_fetched(
    dialect: Dialect, api: str
) -> None:
    """In the raw lane and translated, whether fetching is on or not."""
    for web in (Web(), None):
        case = Case(api, web)
        await case.ask(dialect, asked(dialect))
        assert URL.encode() in case.sent
        assert web is None or web.fetched == []


@pytest.mark.parametrize("api", [*FETCHING, *FETCHLESS])
@pytest.mark.parametrize("dialect", CLIENT_DIALECTS, ids=lambda dialect: dialect.name)
async def test_address_when_nobody_may_fetch_it_then_it_is_refused_with_what_to_do(dialect: Dialect, api: str) -> None:
    """Also where the operator says that an upstream of a kind that could must not."""
    case = Case(api, fetches=False)
    error = await case.ask(dialect, asked(dialect))
    assert isinstance(error, InvalidRequest)
    assert (error.code, case.sent) == ("image_url_not_supported", b"")
    assert "send the picture as a data URL" in error.message


@pytest.mark.parametrize("api", [*FETCHING, *FETCHLESS])
@pytest.mark.parametrize("dialect", CLIENT_DIALECTS, ids=lambda dialect: dialect.name)
async def test_address_when_the_gateway_fetches_then_the_upstream_gets_the_bytes(dialect: Dialect, api: str) -> None:
    """In the raw lane and translated."""
    web = Web()
    case = Case(api, web, fetches=False)
    await case.ask(dialect, asked(dialect))
    assert web.fetched == [URL]
    assert BASE64 in case.sent
    assert URL.encode() not in case.sent


@pytest.mark.parametrize("url", ["http://169.254.169.254/", "file:///etc/passwd", "//x/a.png", "cat.png", "HTTPS://x/"])
async def test_address_when_it_is_of_any_kind_but_data_then_it_does_not_reach_an_upstream_inside(url: str) -> None:
    """Whatever the upstream would make of it."""
    case = Case("openai", fetches=False)
    assert (await case.ask(CHAT, asked(CHAT, url))).code == "image_url_not_supported"
    assert case.sent == b""


async def test_picture_when_it_is_a_data_url_then_nothing_is_changed() -> None:
    """The raw lane sends the same bytes."""
    case = Case("openai", fetches=False)
    await case.ask(CHAT, asked(CHAT, PICTURE.data_url))
    assert BASE64 in case.sent


async def test_file_at_google_when_the_upstream_is_gemini_then_it_is_left_to_it() -> None:
    """It reads what was uploaded there."""
    case = Case("gemini")
    url = "https://generativelanguage.googleapis.com/v1beta/files/abc"
    await case.ask(CHAT, asked(CHAT, url))
    assert url.encode() in case.sent


async def test_addresses_when_one_stands_twice_then_it_is_fetched_once_and_the_rest_stays() -> None:
    """In the result of a tool as well; unknown fields of the request stay."""
    web = Web()
    image = {"type": "image", "source": {"type": "url", "url": URL}, "cache_control": {"type": "ephemeral"}}
    result = {"type": "tool_result", "tool_use_id": "t", "content": [image]}
    schema = {"type": "object", "properties": {"image_url": {"type": "string"}}}
    request = {
        "model": GLM,
        "max_tokens": 9,
        "tools": [{"name": "see", "input_schema": schema}],
        "messages": [{"role": "user", "content": [image, result]}],
        "future": {"a": [1.5]},
    }
    case = Case("anthropic", web, fetches=False)
    await case.ask(MESSAGES, encode(request))
    source = {"type": "base64", "media_type": "image/png", "data": BASE64.decode()}
    inlined = image | {"source": source}
    sent = decode_any(case.sent)
    assert isinstance(sent, dict)
    assert sent["messages"] == [{"role": "user", "content": [inlined, result | {"content": [inlined]}]}]
    assert (sent["future"], sent["tools"], web.fetched) == (request["future"], request["tools"], [URL])


@pytest.mark.parametrize(
    ("web", "error"), [(Web(b"<html>"), InvalidRequest), (Web(drawn().data[:-20]), InvalidRequest)], ids=["html", "cut"]
)
async def test_page_when_it_is_no_picture_then_the_client_is_told(web: Web, error: type[GatewayError]) -> None:
    """Nothing of it goes on."""
    case = Case("gemini", web)
    assert type(await case.ask(CHAT, asked(CHAT))) is error
    assert case.sent == b""


async def test_picture_when_it_has_too_many_pixels_then_it_is_refused() -> None:
    """By its header."""
    case = Case("gemini", Web(), max_pixels=10)
    assert isinstance(await case.ask(CHAT, asked(CHAT)), RequestTooLarge)


def test_request_when_it_has_no_picture_then_a_search_for_words_says_so() -> None:
    """Nothing is parsed."""
    assert not may_hold_pictures(encode({"model": GLM, "messages": [{"role": "user", "content": "an image, a url"}]}))
    assert all(may_hold_pictures(asked(dialect)) for dialect in CLIENT_DIALECTS)
