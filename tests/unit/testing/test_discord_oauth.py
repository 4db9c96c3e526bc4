"""The fake's OAuth2 refuses what Discord refuses, and its loopback server has a clock that can be moved."""

from base64 import b64encode, urlsafe_b64encode
from collections.abc import AsyncIterator
from hashlib import sha256
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from freetheai_gateway.jsonc import decode_any, encode
from freetheai_gateway.services.ports import Origin, UpstreamReply, UpstreamRequest
from freetheai_gateway.testing.clock import FakeClock
from freetheai_gateway.testing.discord.loopback import LoopbackDiscord
from freetheai_gateway.testing.discord.oauth import CLIENT_SECRET, CODE_LIVES_S, FakeOAuth, Refused
from freetheai_gateway.upstream.http1 import Http1Client

BACK = "https://gateway.example/login/callback"
VERIFIER = "v" * 43
CHALLENGE = urlsafe_b64encode(sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
RIGHT = {
    "client_id": "1",
    "redirect_uri": BACK,
    "response_type": "code",
    "scope": "identify",
    "state": "s",
    "code_challenge": CHALLENGE,
    "code_challenge_method": "S256",
}
FORM = {b"content-type": b"application/x-www-form-urlencoded"}
BASIC = {b"authorization": b"Basic " + b64encode(f"1:{CLIENT_SECRET}".encode())}


@pytest.fixture
def clock() -> FakeClock:
    """Give the fake's clock."""
    return FakeClock()


@pytest.fixture
def oauth(clock: FakeClock) -> FakeOAuth:
    """Give an application with one redirect."""
    made = FakeOAuth("1", clock)
    made.redirect_uris = {BACK}
    return made


def grant(oauth: FakeOAuth, **changed: str) -> bytes:
    """Let somebody say yes, and make the form that trades the code."""
    url = oauth.allow(oauth.read(urlencode(RIGHT)), "7")
    code = parse_qs(urlsplit(url).query)["code"][0]
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": BACK, "code_verifier": VERIFIER}
    return urlencode(form | changed).encode()


@pytest.mark.parametrize(
    "changed",
    [
        {"client_id": "2"},
        {"redirect_uri": BACK + "/"},
        {"redirect_uri": BACK + "?x=1"},
        {"response_type": "token"},
        {"scope": ""},
        {"scope": "identify everything"},
        {"code_challenge_method": "plain"},
        {"code_challenge": VERIFIER[:-1]},
    ],
)
def test_authorize_when_anything_is_not_as_registered_then_refused(oauth: FakeOAuth, changed: dict[str, str]) -> None:
    with pytest.raises(Refused):
        oauth.read(urlencode(RIGHT | changed))
    with pytest.raises(Refused):
        oauth.read(urlencode(RIGHT) + "&state=again")


def test_code_when_traded_rightly_then_good_once(oauth: FakeOAuth) -> None:
    form = grant(oauth)
    status, body = oauth.token(FORM | BASIC, form)
    assert status == 200
    bearer = {b"authorization": f"Bearer {body['access_token']}".encode()}
    assert (oauth.user_of(bearer, "identify"), oauth.user_of(bearer, "guilds.members.read")) == ("7", None)
    assert oauth.token(FORM | BASIC, form) == (
        400,
        {"error": "invalid_grant", "error_description": 'Invalid "code" in request.'},
    )
    oauth.revoke(FORM | BASIC, urlencode({"token": body["access_token"]}).encode())
    assert (oauth.user_of(bearer, "identify"), oauth.live_tokens, oauth.revoked) == (None, 0, 1)


@pytest.mark.parametrize(
    ("headers", "changed", "status"),
    [
        ({b"content-type": b"application/json"} | BASIC, {}, 400),
        (FORM, {}, 401),
        (FORM | {b"authorization": b"Basic !"}, {}, 401),
        (FORM | BASIC, {"grant_type": "password"}, 400),
        (FORM | BASIC, {"redirect_uri": BACK + "/"}, 400),
        (FORM | BASIC, {"code_verifier": "w" * 43}, 400),
        (FORM | BASIC, {"code_verifier": ""}, 400),
    ],
)
def test_code_when_traded_wrongly_then_refused(
    oauth: FakeOAuth, headers: dict[bytes, bytes], changed: dict[str, str], status: int
) -> None:
    assert oauth.token(headers, grant(oauth, **changed))[0] == status


def test_code_when_too_old_then_refused(oauth: FakeOAuth, clock: FakeClock) -> None:
    form = grant(oauth)
    clock.advance(CODE_LIVES_S)
    assert oauth.token(FORM | BASIC, form)[0] == 400


async def test_loopback_when_asked_then_pages_clock_and_mistakes_are_its_own() -> None:
    """A call that is no route of Discord's is a mistake of whoever called, told when the server stops."""
    client = Http1Client()
    with pytest.raises(BaseExceptionGroup):
        async with LoopbackDiscord() as discord:

            async def ask(method: str, target: str, body: bytes = b"") -> tuple[int, bytes]:
                headers = ((b"user-agent", b"DiscordBot (x, 1)"),)
                origin = Origin("http", "127.0.0.1", discord.port)
                reply = await client.send(UpstreamRequest(method, origin, target, headers, body))
                parts = [part async for part in _parts(reply)]
                reply.close()
                return reply.status, b"".join(parts)

            before = discord.clock.wall()
            _, body = await ask("POST", "/_clock", encode({"advance_s": 3_600}))
            moved = decode_any(body)
            assert isinstance(moved, dict)
            assert moved["wall_s"] >= before + 3_600
            assert (await ask("GET", "/oauth2/authorize?client_id=nobody"))[0] == 400
            assert (await ask("GET", "/api/v10/users/@me"))[0] == 401
            mistaken, _ = await ask("GET", "/api/v10/no/such/route")
    assert mistaken == 500
    await client.aclose()


async def _parts(reply: UpstreamReply) -> AsyncIterator[bytes]:
    while part := await reply.read():
        yield part
