"""The fake itself: what Discord refuses it refuses, so that a test that passes against it says something."""

from collections.abc import Callable
from typing import Any

import pytest

from freetheai_gateway.bot.commands import commands
from freetheai_gateway.jsonc import encode
from freetheai_gateway.services.key_desk.ports import Upload
from freetheai_gateway.services.ports import Origin, UpstreamRequest
from freetheai_gateway.testing.clock import FakeClock
from freetheai_gateway.testing.discord.rules import Illegal, check_answer, check_called, check_commands, check_message
from freetheai_gateway.testing.discord.server import TOKEN_LIVES_S, FakeDiscord, Shown
from freetheai_gateway.testing.discord.uploads import read_upload
from freetheai_gateway.upstream.discord.multipart import render_form

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 4
MESSAGE: dict[str, Any] = {"content": "x", "allowed_mentions": {"parse": []}}
AGENT = (b"user-agent", b"DiscordBot (https://example.org, 1)")


async def test_fake_when_a_route_is_unknown_then_the_test_fails(discord: FakeDiscord) -> None:
    """Requirement 29: nobody calls what Discord does not have."""
    with pytest.raises(AssertionError, match="no route"):
        await discord.send(_request("GET", "/api/v10/nothing"))
    with pytest.raises(AssertionError, match="user agents"):
        await discord.send(_request("GET", "/api/v10/applications/@me", agent=(b"user-agent", b"curl")))


@pytest.mark.parametrize(
    "message",
    [
        {"content": "x" * 2001},
        {"content": "x", "allowed_mentions": {"parse": ["everyone"]}},
        {"content": "x", "flags": 1 << 20},
        {"components": [{"type": 1, "components": []}]},
        {"components": [{"type": 1, "components": [{"type": 2, "style": 2, "label": "x" * 81, "custom_id": "a"}]}]},
        {"components": [{"type": 1, "components": [{"type": 2, "style": 2, "label": "x", "custom_id": "a" * 101}]}]},
        {"components": [{"type": 1, "components": [{"type": 2, "style": 2, "label": "x", "custom_id": "a"}]}] * 2},
        {"components": [{"type": 1, "components": [{"type": 2, "style": 2, "label": "x", "custom_id": "a"}]}] * 6},
    ],
)
def test_message_when_over_a_limit_then_illegal(message: dict[str, Any]) -> None:
    """Requirement 29: lengths, flags, rows and ids."""
    with pytest.raises(Illegal):
        check_message(MESSAGE | message)


@pytest.mark.parametrize(("asked", "kind"), [(2, 7), (2, 6), (5, 9), (4, 4), (3, 8)])
def test_answer_when_of_a_type_that_may_not_follow_then_illegal(asked: int, kind: int) -> None:
    """Requirement 29: no form upon a form, no update of what is not there."""
    with pytest.raises(Illegal):
        check_answer(asked, {"type": kind, "data": MESSAGE}, from_message=False)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda body: body.replace(b"payload_json", b"payload"),
        lambda body: body.replace(b"files[0]", b"files[1]"),
        lambda body: body.replace(b"files[0]", b"file"),
        lambda body: body.replace(b'filename="picture.png"', b'filename="other.png"'),
        lambda body: body.replace(b"\x89PNG", b"GIF8"),
        lambda body: body.replace(b"a fox", b"x" * 1_025),
        lambda body: body + b"x" * 27_000_000,
    ],
)
def test_upload_when_the_form_is_wrong_then_illegal(spoil: Callable[[bytes], bytes]) -> None:
    """Requirement 29: names, descriptions, sizes and the real type; as it should be, it comes through whole."""
    body, content_type = render_form(MESSAGE, [Upload("picture.png", "image/png", PNG, "a fox")])
    payload, [file] = read_upload(body, content_type.decode(), 10_000)
    assert (payload["content"], file.data, file.description) == ("x", PNG, "a fox")
    with pytest.raises(Illegal):
        read_upload(spoil(body), content_type.decode(), 10_000)
    with pytest.raises(Illegal):
        read_upload(body, content_type.decode(), 100)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("unheard-of", []),
        ("generate", []),
        ("generate", [{"type": 4, "name": "prompt", "value": 5}]),
        ("generate", [{"type": 3, "name": "prompt", "value": "x" * 1_001}]),
        ("generate", [{"type": 3, "name": "prompt", "value": "x"}, {"type": 3, "name": "size", "value": "huge"}]),
        ("stats", [{"type": 3, "name": "of", "value": "x"}]),
        ("account", [{"type": 1, "name": "show", "options": []}]),
    ],
)
def test_command_when_a_client_could_not_run_it_then_illegal(name: str, options: list[dict[str, Any]]) -> None:
    """Requirement 29: commands that were not synced, options that are missing or not offered."""
    with pytest.raises(Illegal):
        check_called(commands(with_check_in=True, with_pictures=True), name, options)


def test_commands_when_every_one_is_asked_for_then_legal() -> None:
    """Requirement 29: what is registered is what Discord accepts, with and without what can be switched on."""
    for check_in in (False, True):
        check_commands(commands(with_check_in=check_in, with_pictures=check_in))
    names = [{command["name"] for command in commands(with_check_in=each)} for each in (False, True)]
    assert names[1] - names[0] == {"checkin"}
    with pytest.raises(Illegal):
        check_commands([{"name": "Upper", "description": "x"}])


async def test_edit_when_too_early_or_too_late_then_discords_codes(discord: FakeDiscord, clock: FakeClock) -> None:
    """Requirement 29: 10015 before the answer, 50027 after a quarter of an hour."""
    shown = discord.interactions["t"] = Shown("t", clock.wall())
    request = _request("PATCH", "/api/v10/webhooks/9/t/messages/@original", encode(MESSAGE))
    assert b"10015" in await (await discord.send(request)).read()
    shown.acknowledged = True
    assert (await discord.send(request)).status == 200
    clock.advance(TOKEN_LIVES_S + 1)
    assert b"50027" in await (await discord.send(request)).read()


def _request(method: str, target: str, body: bytes = b"", agent: tuple[bytes, bytes] = AGENT) -> UpstreamRequest:
    headers = (agent, (b"content-type", b"application/json"))
    return UpstreamRequest(method, Origin("http", "discord.test", 80), target, headers, body)
