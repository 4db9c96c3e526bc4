"""/generate: the same gate, limits and records as the API, and what Discord is sent and fetched from."""

import asyncio
from io import BytesIO
from typing import Any

import pytest
from PIL import Image

from freetheai_gateway.domain.accounts import Caller
from freetheai_gateway.errors import ServerError
from freetheai_gateway.jsonc import decode_any
from freetheai_gateway.services.key_desk.pictures import Drawn, Wish
from freetheai_gateway.testing.discord import server
from freetheai_gateway.testing.discord.person import Answer, Person
from freetheai_gateway.testing.discord.server import FILES_HOST, FakeDiscord
from freetheai_gateway.testing.ports import FakeReply
from tests.contract.discord.conftest import OpenWhole
from tests.contract.discord.desk import VIP, sign_up
from tests.contract.discord.whole import FINE_PICTURES, PICTURES, Whole

PROMPT: Answer = {"type": 3, "name": "prompt", "value": "a fox"}
PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture
async def node(whole: OpenWhole) -> Whole:
    """Give a gateway with two models of pictures, one of them for a higher tier."""
    return await whole(access={"check_in": False})


@pytest.fixture
def ada(discord: FakeDiscord, node: Whole) -> Person:
    """Give a member."""
    return Person(discord, node.post, "Ada")


async def test_generate_when_asked_then_a_picture_with_alt_text_by_an_upload(ada: Person) -> None:
    """Requirement 23: the fake has looked at names, sizes and the real type; who sees it is decided at once."""
    await sign_up(ada)
    assert await ada.slash("generate", PROMPT) == {"type": 5, "data": {"flags": 64}}
    message = await ada.sees()
    [sent] = _files(ada)
    assert (sent.filename, sent.media_type, sent.description) == ("picture.png", "image/png", "a fox")
    assert sent.data.startswith(PNG)
    assert "a fox" in message["content"]
    public = await ada.slash("generate", PROMPT, {"type": 5, "name": "public", "value": True})
    assert public == {"type": 5, "data": {"flags": 0}}
    await ada.sees()


async def test_generate_when_counted_then_the_same_record_and_limits_as_the_api(node: Whole, ada: Person) -> None:
    """Requirement 23: the command and the API draw from one allowance."""
    key = await sign_up(ada)
    assert (await node.draw(key)).status == 200
    for _ in range(9):
        await ada.slash("generate", PROMPT)
        await ada.sees()
    await ada.slash("generate", PROMPT)
    assert "10 requests a minute" in (await ada.sees())["content"]
    assert (await node.draw(key)).code == "requests_per_minute"
    await node.gateway.close()
    rows = node.rows("SELECT DISTINCT account_id, key_id, route, model, status, success, images FROM usage_records")
    assert len(rows) == 1, rows
    assert rows[0][2:] == ("/v1/images/generations", PICTURES, 200, 1, 1)
    assert node.rows("SELECT count(*) FROM usage_records") == [(10,)]


async def test_generate_when_the_tier_is_too_low_then_the_words_of_the_api(node: Whole, ada: Person) -> None:
    """Requirement 23: and a role opens the model at the next command."""
    key = await sign_up(ada)
    fine = {"type": 3, "name": "model", "value": FINE_PICTURES}
    await ada.slash("generate", PROMPT, fine)
    refused = await node.draw(key, FINE_PICTURES)
    assert refused.code == "model_access_denied"
    assert (await ada.sees())["content"].replace("\\", "") == refused.body["error"]["message"]
    ada.member["roles"] = [VIP]
    await ada.slash("generate", PROMPT, fine)
    assert FINE_PICTURES in (await ada.sees())["content"].replace("\\", "")


async def test_generate_when_not_checked_in_then_told_to(discord: FakeDiscord, whole: OpenWhole) -> None:
    """Requirement 23: the check-in holds for the command as well."""
    ada = Person(discord, (await whole(access={"check_in": True})).post, "Ada")
    await sign_up(ada)
    await ada.slash("generate", PROMPT)
    assert "/checkin" in (await ada.sees())["content"].replace("\\", "")


async def test_generate_when_there_is_no_key_then_pointed_to_signup(ada: Person) -> None:
    """Nothing is deferred for nobody."""
    assert "/signup" in (await ada.slash("generate", PROMPT))["data"]["content"]


async def test_generate_when_sent_again_then_one_picture(node: Whole, ada: Person, discord: FakeDiscord) -> None:
    """Requirement 5: also for copies at once; the first answer is the same."""
    await sign_up(ada)
    before = len(discord.calls)
    payload = ada.payload(2, {"id": "1", "name": "generate", "type": 1, "options": [PROMPT]})
    answers = await asyncio.gather(*(ada.send(payload) for _ in range(3)))
    await ada.sees()
    later = await ada.send(payload)
    assert [decode_any(body) for _, body in [*answers, later]] == [{"type": 5, "data": {"flags": 64}}] * 4
    assert len(discord.calls) == before + 1


async def test_generate_when_the_prompt_is_hostile_then_plain(ada: Person) -> None:
    """Requirement 20: neither mentions nor markdown come back to life."""
    await sign_up(ada)
    await ada.slash("generate", PROMPT | {"value": "@everyone **x** [y](https://example.org) ```"})
    shown = (await ada.sees())["content"]
    assert r"\@everyone \*\*x\*\* \[y\]\(https" in shown
    assert r"\`\`\`" in shown


async def test_generate_when_a_picture_is_attached_then_edited(ada: Person, discord: FakeDiscord) -> None:
    """The file comes from Discord's own host."""
    await sign_up(ada)
    picture = _png()
    discord.files["/attachments/1/2/mine.png?ex=1&is=2&hm=3"] = FakeReply(picture)
    url = f"https://{FILES_HOST}/attachments/1/2/mine.png?ex=1&is=2&hm=3"
    await ada.attach("generate", url, len(picture), PROMPT)
    message = await ada.sees()
    assert _files(ada), message["content"]


@pytest.mark.parametrize(
    "url",
    [
        "http://cdn.discordapp.com/attachments/1/2/a.png",
        "https://cdn.discordapp.com.example.org/a.png",
        "https://example.org/cdn.discordapp.com/a.png",
        "https://user@cdn.discordapp.com/a.png",
        "https://cdn.discordapp.com:8443/a.png",
        "https://127.0.0.1/a.png",
        "file:///etc/passwd",
        "https://[::1/a.png",
        "https://cdn.discordapp.com/a b\r\nx: y",
        "",
    ],
)
async def test_generate_when_the_attachment_is_elsewhere_then_not_fetched(
    ada: Person, discord: FakeDiscord, url: str
) -> None:
    """Requirement 23: a signed payload is no reason to fetch whatever it names."""
    await sign_up(ada)
    before = len(discord.calls)
    await ada.attach("generate", url, 100, PROMPT)
    assert "can't be used" in (await ada.sees())["content"]
    assert len(discord.calls) == before + 1, "the edit, and nothing before it"


@pytest.mark.parametrize(
    ("reply", "size", "words"),
    [
        (FakeReply(b"", status=302, headers=[(b"location", b"https://example.org/")]), 100, "did not give it"),
        (FakeReply(b"<html>", status=200), 100, "not a PNG"),
        (FakeReply(*[b"x" * 1_048_576] * 21), 100, "larger than 20 MiB"),
        (FakeReply(b""), 30 * 1_048_576, "larger than 20 MiB"),
        (FakeReply(PNG + b"\0" * 100), 100, "reference"),
    ],
    ids=["redirect", "no picture", "larger than it says", "larger", "cut off"],
)
async def test_generate_when_the_attachment_is_not_what_it_says_then_refused(
    ada: Person, discord: FakeDiscord, reply: FakeReply, size: int, words: str
) -> None:
    """Requirement 23: no redirect is followed, bytes are counted, the type is read from them."""
    await sign_up(ada)
    discord.files["/a.png"] = reply
    await ada.attach("generate", f"https://{FILES_HOST}/a.png", size, PROMPT)
    assert words in (await ada.sees())["content"].replace("\\", "")
    assert not _files(ada)


async def test_generate_when_discord_takes_less_then_told(ada: Person, discord: FakeDiscord) -> None:
    """Requirement 23: the limit stands in the payload."""
    await sign_up(ada)
    discord.attachment_bytes = 1_000
    await ada.slash("generate", PROMPT)
    assert "smaller" in (await ada.sees())["content"]
    assert not _files(ada)


@pytest.mark.parametrize("failure", [server.Failure(400, 50035), server.Failure(413, 40005)])
async def test_generate_when_discord_does_not_take_the_picture_then_told(
    ada: Person, discord: FakeDiscord, failure: server.Failure
) -> None:
    """Requirement 8: a deferral never stays a deferral."""
    await sign_up(ada)
    discord.failures = [failure]
    await ada.slash("generate", PROMPT)
    assert "did not take" in (await ada.sees())["content"]


@pytest.mark.parametrize(
    "options",
    [
        [],
        [PROMPT | {"value": "   "}],
        [PROMPT | {"value": "x" * 1_001}],
        [PROMPT | {"value": 5}],
        [PROMPT, {"type": 11, "name": "reference", "value": "77"}],
        [PROMPT, {"type": 3, "name": "size", "value": "huge"}],
        [PROMPT, {"type": 3, "name": "model", "value": "no/such"}],
        [PROMPT, {"type": 3, "name": "model", "value": "glm/x"}],
    ],
)
async def test_generate_when_the_options_are_hostile_then_refused_politely(
    ada: Person, options: list[dict[str, Any]]
) -> None:
    """Requirement 21: what a client offers is validated again."""
    await sign_up(ada)
    answer = await ada.act(2, {"id": "1", "name": "generate", "type": 1, "options": options})
    if answer["type"] == 5:
        answer = {"data": await ada.sees()}
    assert answer["data"]["content"]
    assert not _files(ada)


async def test_generate_when_typed_ahead_then_only_models_of_pictures(ada: Person) -> None:
    """From memory, like every completion."""
    assert await ada.type_ahead("generate", "model", "") == [PICTURES, FINE_PICTURES]
    assert await ada.type_ahead("generate", "model", "PLUS") == [FINE_PICTURES]


async def test_generate_when_our_code_fails_or_the_gateway_stops_then_the_member_is_told(
    node: Whole, ada: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Requirements 8 and 10: success, error or the end of the gateway, each ends the wait."""
    await sign_up(ada)
    desk = node.gateway.desk
    assert desk is not None
    begun = asyncio.Event()

    async def fail(_self: object, _wish: Wish, _caller: Caller) -> Drawn:
        raise RuntimeError("bug")

    async def hang(_self: object, _wish: Wish, _caller: Caller) -> Drawn:
        begun.set()
        await asyncio.Event().wait()
        raise ServerError("never")

    monkeypatch.setattr("freetheai_gateway.services.key_desk.pictures.PictureDesk.draw", fail)
    await ada.slash("generate", PROMPT)
    assert "gateway failed" in (await ada.sees())["content"]
    monkeypatch.setattr("freetheai_gateway.services.key_desk.pictures.PictureDesk.draw", hang)
    await ada.slash("generate", PROMPT)
    await begun.wait()
    await desk.jobs.close(drain_s=0.0)
    assert "restarted" in (await ada.sees())["content"]


def _png() -> bytes:
    with BytesIO() as file:
        Image.new("RGB", (40, 30), "teal").save(file, "PNG")
        return file.getvalue()


def _files(person: Person) -> list[Any]:
    assert person.last is not None
    return list(person.last.files)
