"""Who may use the admin API."""

from pathlib import Path

import pytest

from freetheai_gateway.app.admin import WRONG_TOKENS_A_MINUTE
from freetheai_gateway.app.gateway import Gateway
from freetheai_gateway.settings.load import from_document
from tests.contract.admin.conftest import DOCUMENT, TOKEN, Api, FakeReload

pytestmark = pytest.mark.asyncio(loop_scope="module")


FULL_WIDTH = "\uff4f" + TOKEN[1:]
"""Looks like the token."""


TOKENS = [None, "", "wrong", TOKEN + "x", TOKEN[:-1], TOKEN.upper(), FULL_WIDTH]


@pytest.mark.parametrize("token", TOKENS)
async def test_token_when_it_is_not_the_operators_then_401_in_the_same_words(api: Api, token: str | None) -> None:
    """Whatever was sent and wherever to; nothing says how near it was."""
    for path in ("accounts", "nothing", "openapi.json"):
        reply = await api.call("GET", f"/admin/api/{path}", token=token, peer=f"198.51.100.{TOKENS.index(token)}")
        assert (reply.status, reply.error["code"]) == (401, "invalid_admin_token")
        assert reply.headers[b"www-authenticate"] == b"Bearer"
        assert reply.error["message"] == (
            'This is the admin API. Send the token of server.admin_token as "Authorization: Bearer …".'
        )


async def test_token_when_a_member_sends_a_key_then_401(api: Api) -> None:
    """Keys are for members, also those without limits."""
    made = await api.open("operator's own", unlimited=True)
    reply = await api.call("GET", "/admin/api/accounts", token=made.key.key, peer="198.51.100.8")
    assert reply.status == 401


async def test_address_when_it_guesses_too_often_then_it_waits_and_others_do_not(api: Api) -> None:
    """Not even the right token passes then, or guessing would go on; requests without one are no guesses."""
    for _ in range(3):
        assert (await api.call("GET", "/admin/api/accounts", token=None, peer="192.0.2.1")).status == 401
    for number in range(WRONG_TOKENS_A_MINUTE):
        reply = await api.call("GET", "/admin/api/accounts", token=f"guess {number}", peer="192.0.2.1")
        assert reply.status == 401
    reply = await api.call("GET", "/admin/api/accounts", peer="192.0.2.1")
    assert (reply.status, reply.error["code"]) == (429, "refusals")
    assert 1 <= int(reply.headers[b"retry-after"]) <= 60
    assert (await api.call("GET", "/admin/api/accounts", peer="192.0.2.2")).status == 200


async def test_page_of_another_origin_when_it_asks_then_it_may_read_nothing(api: Api) -> None:
    """Cross-origin requests are for the public routes: no preflight passes."""
    origin = [(b"origin", b"https://evil.example"), (b"access-control-request-method", b"GET")]
    for method, status in (("OPTIONS", 401), ("GET", 200)):
        token = TOKEN if method == "GET" else None
        reply = await api.call(method, "/admin/api/accounts", headers=origin, token=token)
        assert reply.status == status
        assert not [name for name in reply.headers if name.startswith(b"access-control")]


async def test_answer_when_read_then_it_is_never_cached(api: Api) -> None:
    """Keys are among them."""
    reply = await api.call("GET", "/admin/api/accounts")
    assert reply.headers[b"cache-control"] == b"no-store"


async def test_route_when_no_token_is_set_then_it_is_not_there(tmp_path: Path) -> None:
    """404 as for any path, with whatever is sent; nothing says that there could be something."""
    settings = from_document({**DOCUMENT, "server": {}}, {}, tmp_path).settings
    gateway = await Gateway.open(settings)
    api = Api(gateway, gateway.asgi(lambda: False, FakeReload()), FakeReload())
    for method in ("GET", "POST", "OPTIONS"):
        for path in ("/admin/api/accounts", "/admin/api/openapi.json", "/admin/api/"):
            reply = await api.call(method, path)
            assert (reply.status, reply.error["type"]) == (404, "not_found_error")
    other = await api.call("GET", "/no/such/route")
    admin = await api.call("GET", "/admin/api/usage")
    assert str(admin.error["message"]) == str(other.error["message"]).replace("/no/such/route", "/admin/api/usage")
    await gateway.close()
