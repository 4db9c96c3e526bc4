"""Pages as a browser gets them: who gets a page and who JSON, headers, escaping, and what is packed and kept."""

import gzip
import re
import subprocess

import pytest

from freetheai_gateway.domain.catalogue import Model, ModelKind
from freetheai_gateway.errors import NotFound
from freetheai_gateway.services.directory import Directory, Site
from freetheai_gateway.testing.asgi import Client
from freetheai_gateway.testing.offers import PUBLIC_URL, chat_model, make_offer
from freetheai_gateway.web.openapi.document import Instance, build
from freetheai_gateway.web.pages.assets import asset_url, read_assets, serve_asset
from freetheai_gateway.web.pages.documents import DocumentPages
from freetheai_gateway.web.pages.frame import POLICY, Frame, show_number, show_percent, show_tokens
from freetheai_gateway.web.pages.guides import read_guides
from freetheai_gateway.web.pages.negotiation import Page, PageOr, wants_page
from freetheai_gateway.web.pages.playground import PlaygroundPage
from freetheai_gateway.web.pages.reference import read_operations
from freetheai_gateway.web.pages.samples import SAMPLES, Sample, filling_for
from freetheai_gateway.web.pages.site import in_words
from freetheai_gateway.web.request import Request
from freetheai_gateway.web.response import Response
from tests.unit.web.answers import Headers, ask

HTML: Headers = ((b"accept", b"text/html,application/xhtml+xml"),)
EVIL = '"><script>alert(1)</script>'


def documents(*models: Model, site: Site | None = None) -> tuple[Frame, DocumentPages]:
    directory = Directory(make_offer(*models) if site is None else make_offer(*models, site=site))
    frame = Frame(directory)
    return frame, DocumentPages(frame, directory)


@pytest.mark.parametrize(
    ("path", "headers", "page"),
    [
        ("/models", HTML, True),
        ("/", HTML, True),
        ("/models", (), False),
        ("/models", ((b"accept", b"*/*"),), False),
        ("/models", ((b"accept", b"application/json"),), False),
        ("/models", (*HTML, (b"authorization", b"Bearer x")), False),
        ("/models", (*HTML, (b"x-api-key", b"x")), False),
        ("/v1/models", HTML, False),
        ("/v1", HTML, False),
    ],
)
async def test_address_that_serves_both_when_asked_then_only_browsers_get_the_page(
    path: str, headers: Headers, page: bool
) -> None:
    """A key, another `Accept` or the API's own address means a program."""

    async def show(_request: Request, response: Response) -> None:
        await response.send_whole(200, (), b"page")

    async def answer(_request: Request, response: Response) -> None:
        await response.send_whole(200, (), b"json")

    client = await ask(PageOr(show, answer), path, headers)
    assert client.body == (b"page" if page else b"json")
    assert wants_page(client.request) is page


async def test_page_when_sent_then_nothing_inline_or_foreign_may_run_and_no_other_origin_may_read_it() -> None:
    _, pages = documents()
    client = await ask(pages.show, "/docs", ((b"origin", b"https://elsewhere.example"),))
    assert client.headers.get(b"content-security-policy") == POLICY
    assert b"unsafe" not in POLICY
    assert client.headers.get(b"x-frame-options") == b"DENY"
    assert client.headers.get(b"access-control-allow-origin") is None
    assert b"style=" not in client.body
    assert not re.search(rb"<script(?![^>]* src=)", client.body)
    assert not re.search(rb'(?:src|href)="https?://(?!ai\.example\.org)', client.body)


async def test_page_when_the_client_takes_gzip_then_it_is_packed() -> None:
    _, pages = documents()
    plain = await ask(pages.show, "/docs")
    packed = await ask(pages.show, "/docs", ((b"accept-encoding", b"br, gzip"),))
    refused = await ask(pages.show, "/docs", ((b"accept-encoding", b"gzip;q=0"),))
    assert packed.headers.get(b"content-encoding") == b"gzip"
    assert gzip.decompress(packed.body) == plain.body == refused.body
    assert len(packed.body) * 2 < len(plain.body)


async def test_page_when_names_hold_markup_then_it_is_text() -> None:
    """Names and descriptions come from the configuration and from Discord; none may become markup."""
    bad = Model(
        id=f"a/{EVIL}", kind=ModelKind.CHAT, name=EVIL, tier_level=1, family=EVIL, upstreams=(), description=EVIL
    )
    directory = Directory(make_offer(bad, site=Site(name=EVIL, public_url=PUBLIC_URL)))
    frame = Frame(directory)
    for handler in (DocumentPages(frame, directory).show, PlaygroundPage(frame, directory).show):
        client = await ask(handler, "/x", query=b"model=" + EVIL.encode())
        assert client.status == 200
        assert b"<script>alert" not in client.body
        assert b"&lt;script&gt;alert" in client.body


async def test_page_when_it_fails_then_the_error_is_a_page_with_the_request_id() -> None:
    frame, pages = documents()
    client = await _with_params(Page(frame, pages.guide), "/setup/none", client="none")
    assert client.status == 404
    assert b"There is no guide for this client" in client.body
    assert b"req_1" in client.body


async def _with_params(handler: Page, path: str, **params: str) -> Client:
    async def call(request: Request, response: Response) -> None:
        request.params = params
        await handler(request, response)

    return await ask(call, path, HTML)


async def test_docs_when_a_model_is_chosen_then_every_chat_sample_names_it() -> None:
    _, pages = documents(chat_model("a/one"), chat_model("a/two"))
    client = await ask(pages.show, "/docs", query=b"model=a/two")
    samples = re.findall(
        rb'<pre data-sample="((?:chat|messages|responses)-\w+)"[^>]*><code>(.*?)</code>', client.body, re.DOTALL
    )
    assert len(samples) == 6
    assert all(b"a/two" in text and b"a/one" not in text for _, text in samples)


@pytest.mark.parametrize("sample", SAMPLES.values(), ids=lambda sample: sample.id)
def test_sample_when_filled_then_nothing_is_left_open_and_no_key_stands_in_it(sample: object) -> None:
    filling = filling_for(PUBLIC_URL, make_offer(chat_model("a/one")).catalogue)
    text = filling.fill(sample)  # type: ignore[arg-type]
    assert PUBLIC_URL in text
    assert not re.search(r"\{[A-Z_]+\}", text)
    assert "fta_" not in text


@pytest.mark.parametrize(("language", "text"), [("curl", "printf %s '{MODEL}'"), ("Shell", "printf %s {MODEL}")])
def test_sample_when_a_model_id_holds_what_a_shell_reads_then_it_stays_an_id(language: str, text: str) -> None:
    """A pasted sample runs nothing that a catalogue slipped into it."""
    evil = "a/$(id);`id`&x=it's|>y"
    filled = filling_for(PUBLIC_URL, make_offer(chat_model(evil)).catalogue).fill(Sample("x", language, text))
    said = subprocess.run(["bash", "-c", filled], capture_output=True, text=True, check=True).stdout
    assert said == evil


def test_guides_when_read_then_there_are_eight_with_something_to_paste_in_each() -> None:
    guides = read_guides()
    assert len(guides) >= 8
    assert {"openai-sdk", "anthropic-sdk", "claude-code", "codex", "langchain", "curl"} <= set(guides)
    assert all(any(guide.samples()) for guide in guides.values())


def test_reference_when_read_from_the_document_then_every_operation_is_there_with_its_fields() -> None:
    document = build(Instance("Example", "1.2.3", PUBLIC_URL, public_catalog=False))
    operations = {(each.method, each.path): each for each in read_operations(document)}
    assert len(operations) == sum(len(methods) for methods in document["paths"].values())
    chat = operations["POST", "/v1/chat/completions"]
    assert {"model", "messages", "stream"} <= {row.name for row in chat.body}
    assert chat.needs_key
    assert not operations["GET", "/v1/health"].needs_key
    assert {"200", "401", "429"} <= {answer.status for answer in chat.answers}


async def test_asset_when_its_version_is_named_then_it_is_kept_for_a_year() -> None:
    url = asset_url("site.css")
    named, other = url.removeprefix("/assets/"), "0/site.css"
    kept = await _asset(named)
    unkept = await _asset(other)
    assert b"immutable" in (kept.headers.get(b"cache-control") or b"")
    assert unkept.headers.get(b"cache-control") == b"no-cache"
    assert kept.body == unkept.body == read_assets()["site.css"].plain
    again = await _asset(named, (b"if-none-match", kept.headers.get(b"etag") or b""))
    assert (again.status, again.body) == (304, b"")


@pytest.mark.parametrize("name", ["nothing.css", "../frame.py", "x/../../frame.py", ""])
async def test_asset_when_it_is_not_there_then_it_is_not_found(name: str) -> None:
    assert (await _asset(name)).status == 404


async def _asset(name: str, *headers: tuple[bytes, bytes]) -> Client:
    async def call(request: Request, response: Response) -> None:
        request.params = {"name": name}
        await serve_asset(request, response)

    return await ask(call, f"/assets/{name}", headers)


async def test_error_page_when_sent_then_the_words_are_escaped() -> None:
    frame, _ = documents()

    async def fail(request: Request, response: Response) -> None:
        await frame.send_error(request, response, NotFound(EVIL))

    assert EVIL.encode() not in (await ask(fail, "/x")).body


@pytest.mark.parametrize(
    ("shown", "text"),
    [
        (show_tokens(None), "\N{EN DASH}"),
        (show_tokens(0), "0"),
        (show_tokens(4096), "4k"),
        (show_tokens(131_072), "128k"),
        (show_tokens(200_000), "200k"),
        (show_tokens(1_500_000), "1.5M"),
        (show_number(1234567), "1\N{NARROW NO-BREAK SPACE}234\N{NARROW NO-BREAK SPACE}567"),
        (show_percent(0.0125), "1.25\N{NARROW NO-BREAK SPACE}%"),
        (show_percent(0), "0\N{NARROW NO-BREAK SPACE}%"),
        (in_words(3600), "1 hour"),
        (in_words(30 * 86_400), "30 days"),
        (in_words(1.5), "1.5 seconds"),
    ],
)
def test_figures_when_shown_then_people_can_read_them(shown: str, text: str) -> None:
    assert shown == text
