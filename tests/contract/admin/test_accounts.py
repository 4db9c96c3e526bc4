"""Accounts and keys over the admin API."""

import pytest

from freetheai_gateway.domain.accounts import Caller
from freetheai_gateway.errors import Unauthenticated
from freetheai_gateway.ids import KeyForm, key_form
from freetheai_gateway.web.admin.answers import (
    AccountRow,
    AuditRow,
    ChangedAccount,
    ChangedKey,
    IssuedKey,
    KeyRow,
    WholeAccount,
)
from tests.contract.admin.conftest import Api

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def caller(api: Api, key: str) -> Caller | None:
    """Find out whether a key is good, as a request would, at this very moment."""
    try:
        return await api.gateway.authenticator.caller(key)
    except Unauthenticated:
        return None


async def test_account_when_made_then_its_key_works_and_is_shown_once(api: Api) -> None:
    """With the tier that was asked for; the key is in this answer and in no later one."""
    made = await api.open("Ada", tier=3, reason="founder")
    assert (made.name, made.tier, made.tier_source, made.state, made.unlimited) == (
        "Ada",
        3,
        "override",
        "active",
        False,
    )
    assert key_form(made.key.key) is KeyForm.WELL_FORMED
    assert (made.key.account_id, made.key.name, made.key.prefix) == (made.id, "Ada", made.key.key[:8])
    found = await caller(api, made.key.key)
    assert found is not None
    assert found.account.tier_override == 3
    for path in (f"accounts/{made.id}", f"accounts/{made.id}/keys", "keys", f"keys/{made.key.id}", "audit"):
        reply = await api.call("GET", f"/admin/api/{path}")
        assert reply.status == 200
        assert made.key.id.encode() in reply.body
        assert made.key.key.encode() not in reply.body


async def test_account_when_changed_then_the_answer_is_what_holds_from_now_on(api: Api) -> None:
    """Tier up, down and back to the default; limits off and on; only what is named changes."""
    made = await api.open("Bob")
    path = f"accounts/{made.id}"
    for change, expected in (
        ({"tier": 5}, (5, "override", False)),
        ({"tier": 1, "unlimited": True}, (1, "override", True)),
        ({"name": "Robert"}, (1, "override", True)),
        ({"tier": None}, (1, "default", True)),
        ({"unlimited": False}, (1, "default", False)),
    ):
        now = await api.ask(ChangedAccount, "PATCH", path, change)
        assert (now.tier, now.tier_source, now.unlimited) == expected
        found = await caller(api, made.key.key)
        assert found is not None
        assert found.account.unlimited is expected[2]
    shown = await api.ask(WholeAccount, "GET", path)
    assert (shown.name, [key.id for key in shown.keys]) == ("Robert", [made.key.id])


async def test_account_when_suspended_then_reason_and_end_are_shown_until_it_is_restored(api: Api) -> None:
    """The end may be an instant or a span."""
    made = await api.open("Eve")
    path = f"accounts/{made.id}/suspension"
    paused = await api.ask(ChangedAccount, "PUT", path, {"reason": "spam", "until": "2999-01-01T02:00:00+02:00"})
    assert (paused.state, paused.pause_reason, paused.paused_until) == ("paused", "spam", "2999-01-01T00:00:00Z")
    again = await api.ask(ChangedAccount, "PUT", path, {"until": "3d"})
    assert again.pause_reason is None
    assert again.paused_until is not None
    restored = await api.ask(ChangedAccount, "DELETE", path, query="reason=sorry")
    assert (restored.state, restored.pause_reason, restored.paused_until) == ("active", None, None)
    entries, _ = await api.page(AuditRow, "audit", f"account={made.id}")
    assert [(entry.action, entry.reason) for entry in entries[:3]] == [
        ("account.restore", "sorry"),
        ("account.suspend", None),
        ("account.suspend", "spam"),
    ]


async def test_key_when_added_rotated_and_revoked_then_each_holds_at_once(api: Api) -> None:
    """In this process not even the fraction of a second passes that others need."""
    made = await api.open("Kim")
    added = await api.ask(IssuedKey, "POST", f"accounts/{made.id}/keys", {"name": "phone"}, status=201)
    assert await caller(api, added.key) is not None
    rotated = await api.ask(IssuedKey, "POST", f"keys/{added.id}/rotate")
    assert (rotated.name, rotated.account_id) == ("phone", made.id)
    assert await caller(api, added.key) is None
    assert await caller(api, rotated.key) is not None
    revoked = await api.ask(ChangedKey, "DELETE", f"keys/{rotated.id}", {"reason": "leaked"})
    assert revoked.revoked_at is not None
    assert await caller(api, rotated.key) is None
    assert await caller(api, made.key.key) is not None
    keys, _ = await api.page(KeyRow, f"accounts/{made.id}/keys")
    assert [(key.id, key.revoked_at is None) for key in keys] == [
        (made.key.id, True),
        (added.id, False),
        (rotated.id, False),
    ]


async def test_change_when_made_then_the_audit_list_says_who_what_and_why(api: Api) -> None:
    """Every write answers the id of its entry."""
    made = await api.open("Lea", tier=2)
    changed = await api.ask(ChangedAccount, "PATCH", f"accounts/{made.id}", {"tier": 4, "reason": "helps others"})
    entries, _ = await api.page(AuditRow, "audit", f"account={made.id}")
    assert [entry.id for entry in entries] == [changed.audit_id, made.audit_id]
    newest = entries[0]
    assert (newest.actor, newest.action, newest.subject, newest.reason) == (
        "admin",
        "account.change",
        made.id,
        "helps others",
    )
    assert (newest.before, newest.after) == ({"tier_override": 2}, {"tier_override": 4})


async def test_accounts_when_listed_in_pages_and_searched_then_each_comes_once(api: Api) -> None:
    """A search and a cursor go together."""
    ids = [(await api.open(f"pager {number}")).id for number in range(3)]
    first, cursor = await api.page(AccountRow, "accounts", "search=PAGER&limit=2")
    rest, end = await api.page(AccountRow, "accounts", f"search=PAGER&limit=2&cursor={cursor}")
    assert ([account.id for account in first + rest], end) == (ids, None)


@pytest.mark.parametrize(
    ("method", "path", "body", "words"),
    [
        ("POST", "accounts", b"{", "can't be read"),
        ("POST", "accounts", {}, "missing required field `name`"),
        ("POST", "accounts", {"name": 5}, "Expected `str`"),
        ("POST", "accounts", {"name": "x", "unlimted": True}, "unknown field `unlimted`"),
        ("POST", "accounts", {"name": "a\x00b"}, "printable"),
        ("POST", "accounts", {"name": "x" * 81}, "1 to 80"),
        ("POST", "accounts", {"name": "x", "tier": 9}, "Levels: 1 (Starter)"),
        ("POST", "accounts", {"name": "x", "tier": 10**30}, "no tier level"),
        ("POST", "accounts", {"name": "x", "reason": "a\nb"}, "1 to 500"),
        ("PATCH", "accounts/{id}", {}, "Name what is to be changed"),
        ("PATCH", "accounts/{id}", {"reason": "x"}, "Name what is to be changed"),
        ("PATCH", "accounts/{id}", {"tier": 0}, "no tier level"),
        ("PATCH", "accounts/{id}", [1], "can't be read"),
        ("PUT", "accounts/{id}/suspension", {"until": "tomorrow"}, "no instant"),
        ("PUT", "accounts/{id}/suspension", {"until": "2001-01-01T00:00:00Z"}, "not in the future"),
    ],
)
async def test_change_when_it_is_no_sense_then_400_names_the_mistake_and_nothing_is_changed(
    api: Api, method: str, path: str, body: object, words: str
) -> None:
    """And no entry is written."""
    made = await api.open("Max")
    before, _ = await api.page(AuditRow, "audit")
    reply = await api.call(method, f"/admin/api/{path}".replace("{id}", made.id), body)
    assert (reply.status, reply.error["type"]) == (400, "invalid_request_error")
    assert words in str(reply.error["message"])
    after, _ = await api.page(AuditRow, "audit")
    assert before == after


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "accounts/acc_0"),
        ("PATCH", "accounts/acc_0"),
        ("PUT", "accounts/acc_0/suspension"),
        ("DELETE", "accounts/acc_0/suspension"),
        ("GET", "accounts/acc_0/keys"),
        ("POST", "accounts/acc_0/keys"),
        ("GET", "keys/key_0"),
        ("POST", "keys/key_0/rotate"),
        ("DELETE", "keys/key_0"),
        ("GET", "limits/acc_0"),
        ("GET", "requests/req_0"),
        ("GET", "accounts/' OR 1=1 --"),
        ("GET", "accounts/acc_\x00"),
        ("GET", "nothing"),
        ("GET", "accounts/acc_0/keys/key_0"),
    ],
)
async def test_id_when_it_is_unknown_or_none_then_404(api: Api, method: str, path: str) -> None:
    """What does not look like an id does not reach the database."""
    body = {"name": "x"} if method in {"PATCH", "POST"} and not path.endswith("rotate") else None
    reply = await api.call(method, f"/admin/api/{path}", body)
    assert (reply.status, reply.error["type"]) == (404, "not_found_error")


async def test_method_when_the_route_takes_another_then_405_names_it(api: Api) -> None:
    """In the header too."""
    reply = await api.call("POST", "/admin/api/usage")
    assert (reply.status, reply.headers[b"allow"]) == (405, b"GET")


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=1001",
        "limit=x",
        "limit=%D9%A1",
        "cursor=acc_0",
        "cursor=%00",
        "lim=1",
        "&".join("a=1" for _ in range(30)),
    ],
)
async def test_query_when_it_is_no_sense_then_400(api: Api, query: str) -> None:
    """A mistyped field is not ignored."""
    reply = await api.call("GET", "/admin/api/accounts", query=query)
    assert (reply.status, reply.error["type"]) == (400, "invalid_request_error")
