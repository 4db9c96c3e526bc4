"""Hostile keys, headers, paths, names and queries, through the real edge and the whole gateway, public and admin.

Every one is answered with 400, 401, 404, 413 or 431 in the error envelope, those with a bad key all in the same words;
nothing of it is found in the log, nothing crashes, and afterwards everything is as it was.
"""

import itertools
import re
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import pytest
import pytest_asyncio

from freetheai_gateway import jsonc
from freetheai_gateway.app.admin import UNKNOWN_KEYS_A_MINUTE
from freetheai_gateway.app.gateway import Gateway
from freetheai_gateway.ids import new_key
from freetheai_gateway.services.accounts import AccountDesk
from freetheai_gateway.services.reloading import ReloadOutcome
from freetheai_gateway.settings.load import from_document
from freetheai_gateway.testing.clock import FakeClock
from freetheai_gateway.web.openapi.document import Instance, build
from tests.contract.edge.serving import Reply, Service, serving

pytestmark = pytest.mark.asyncio(loop_scope="module")

TOKEN = "operators-only-3c1b"
DOCUMENT: dict[str, object] = {
    # Each request names another sender, so that what is counted by address stays out of these tests' way.
    "server": {"admin_token": TOKEN, "trusted_proxies": ["127.0.0.0/8"], "max_body_bytes": 2048},
    "providers": [{"name": "zai", "api": "openai", "base_url": "https://upstream.invalid", "api_keys": ["k"]}],
    "models": [{"id": "glm/x", "upstreams": [{"provider": "zai", "model": "x"}]}],
}
PUBLIC, ADMIN = "/v1/models", "/admin/api/accounts"
MEGABYTE = 1_000_000
SQL = (
    "'; DROP TABLE accounts; --",
    "' OR '1'='1",
    '" OR 1=1 --',
    "%' UNION SELECT digest FROM api_keys --",
    "\\'; DELETE FROM audit; --",
    "x'); ATTACH DATABASE '/tmp/x' AS x; --",
    "{name!r} %s %(id)s :id $1 ?1",
    "_%_%",
)
_PATHS = build(Instance("", "", "", public_catalog=False))["paths"]
ASK_FOR_A_KEY = {
    f"{method.upper()} {path.replace('{id}', 'glm/x')}"
    for path, methods in _PATHS.items()
    for method, operation in methods.items()
    if "security" not in operation
}
"""Every route of the document that needs one."""
_REQUEST_ID = re.compile(rb"req_[0-9A-Z]{26}")
_senders = (f"198.51.{high}.{low}" for high, low in itertools.product(range(256), range(1, 255)))


@dataclass(frozen=True, slots=True)
class Target:
    """A gateway that runs behind the real edge, and one good key of it."""

    gateway: Gateway
    service: Service
    key: str

    async def get(self, path: str, *headers: bytes) -> Reply:
        """Send a GET with these header lines, on a connection of its own."""
        return await self.send("GET", path, headers)

    async def send(self, method: str, path: str, headers: Sequence[bytes], body: bytes = b"") -> Reply:
        """Send a request on a connection of its own."""
        length = b"content-length: %d" % len(body)
        lines = [
            f"{method} {path} HTTP/1.1".encode(),
            b"host: a",
            length,
            b"x-forwarded-for: " + next(_senders).encode(),
        ]
        return await self.service.ask(b"\r\n".join([*lines, *headers, b"", body]))

    async def admin(self, method: str, path: str, body: object = None) -> Reply:
        """Send a request with the operator's token."""
        sent = b"" if body is None else jsonc.encode(body)
        return await self.send(method, f"/admin/api/{path}", [b"authorization: Bearer " + TOKEN.encode()], sent)


async def no_reload(*, dry_run: bool) -> ReloadOutcome:
    """Implement `Reload`."""
    assert dry_run in {True, False}
    return ReloadOutcome()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def target(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Target]:
    """Run a gateway in this process, behind the edge."""
    folder: Path = tmp_path_factory.mktemp("hostile")
    gateway = await Gateway.open(from_document(DOCUMENT, {}, folder).settings)
    issued = await AccountDesk(gateway.accounts, FakeClock(), "test").open_account("Ada")
    async with serving(gateway.asgi(lambda: False, no_reload)) as service:
        yield Target(gateway, service, issued.secret)
    await gateway.close()


@pytest.fixture(autouse=True)
def quiet(capsys: pytest.CaptureFixture[str], target: Target) -> Iterator[None]:
    """After every test: no crash, no traceback, and no key on either stream."""
    yield
    out, err = capsys.readouterr()
    for trace in ("Traceback", "request_crashed", "Exception", "callback_failed", target.key, TOKEN, "DROP TABLE"):
        assert trace not in out + err


def hostile_keys(good: str) -> dict[str, bytes]:
    """Make keys that are none, from a good one: none may pass, and none may be told from another."""
    cyrillic, full_width = good.replace(good[10], "\u0430", 1), good[:5] + chr(ord(good[5]) + 0xFEE0) + good[6:]
    texts = {
        "a Cyrillic letter": cyrillic,
        "a full-width letter": full_width,
        "all full-width": "".join(chr(ord(letter) + 0xFEE0) for letter in good),
        "a zero-width joiner": good[:20] + "\u200d" + good[20:],
        "a byte order mark": "\ufeff" + good,
        "a right-to-left override": "\u202e" + good[::-1],
        "a combining accent": good + "\u0301",
        "twice": good + good,
        "with a tail": good + "A",
        "in upper case": good.swapcase(),
        "60 kB": good * 1_400,
        "nothing but signs": "()[]{}<>|&;$*?!#~",
        "a path": "../../../../etc/passwd",
        "a template": "{{7*7}}${jndi:ldap://x}%s%n",
        **{f"SQL {number}": text for number, text in enumerate(SQL)},
    }
    raw = {"not UTF-8": b"\xff\xfe\xc0\xaf" + good.encode(), "half a surrogate": b"\xed\xa0\x80" + good.encode()}
    return {name: text.encode() for name, text in texts.items()} | raw


def without_id(body: bytes) -> bytes:
    """Take out what is different in every answer."""
    return _REQUEST_ID.sub(b"req_", body)


@pytest.mark.parametrize("header", [b"authorization: Bearer ", b"x-api-key: "])
@pytest.mark.parametrize("path", [PUBLIC, ADMIN])
async def test_key_when_it_is_hostile_then_401_in_the_same_words_as_any_other(
    target: Target, path: str, header: bytes
) -> None:
    """Look-alikes, SQL, paths, templates, 60 kB, bytes that are no UTF-8."""
    bodies = set()
    for name, key in hostile_keys(target.key if path == PUBLIC else TOKEN + TOKEN).items():
        reply = await target.get(path, header + key)
        assert reply.status == 401, name
        bodies.add(without_id(reply.body))
    assert len(bodies) == 1


@pytest.mark.parametrize("header", [b"authorization: Bearer ", b"x-api-key: ", b"x-forwarded-for: ", b"cookie: "])
@pytest.mark.parametrize("path", [PUBLIC, ADMIN])
async def test_header_when_it_has_a_megabyte_then_431(target: Target, path: str, header: bytes) -> None:
    """It is not kept, whichever header it is."""
    reply = await target.get(path, header + b"A" * MEGABYTE)
    assert (reply.status, reply.error["type"]) == (431, "request_too_large")


@pytest.mark.parametrize("path", [PUBLIC, ADMIN])
async def test_header_when_it_holds_control_bytes_then_400(target: Target, path: str) -> None:
    """NUL, bare line ends, and what could split a response."""
    for bad in (b"\x00", b"fta_\x00abc", b"a\rb", b"a\nb", b"a\r\n\r\x00"):
        reply = await target.get(path, b"authorization: Bearer " + bad)
        assert (reply.status, reply.error["type"]) == (400, "invalid_request_error")


@pytest.mark.parametrize("path", [PUBLIC, ADMIN])
@pytest.mark.parametrize(
    ("flood", "status"),
    [
        ([b"a: b"] * 50_000, 431),
        ([b"a%d: b" % number for number in range(50_000)], 431),
        ([b"a:b"] * 10_000, 401),
        ([b"authorization: Bearer fta_%d" % number for number in range(1_500)], 401),
        ([b"x-forwarded-for: 10.0.0.1,127.0.0.1"] * 1_500, 401),
    ],
    ids=["one name", "many names", "under the cap", "many keys", "many hops"],
)
async def test_headers_when_there_are_thousands_then_they_are_refused(
    target: Target, path: str, flood: list[bytes], status: int
) -> None:
    """Over 64 kB they are not read; under it they are no reason to do anything else than without them."""
    assert (await target.get(path, *flood)).status == status


@pytest.mark.parametrize(
    "text",
    [*SQL, "\x00", "a\x00b", "\u202e", "fta_" * 50, "\ud83d\ude00".encode("utf-16", "surrogatepass").decode("utf-16")],
)
async def test_path_when_it_is_hostile_then_404_or_400(target: Target, text: str) -> None:
    """As an id of a model, of an account, of a key, of a request; with a good key and the token."""
    tail = quote(text, safe="")
    key = b"authorization: Bearer " + target.key.encode()
    assert (await target.get(f"/v1/models/{tail}", key)).status in {400, 404}
    for path in (
        f"accounts/{tail}",
        f"accounts/{tail}/keys",
        f"keys/{tail}",
        f"requests/{tail}",
        f"limits/{tail}",
        tail,
    ):
        assert (await target.admin("GET", path)).status == 404
        assert (await target.admin("DELETE", path)).status in {404, 405}


async def test_path_when_it_is_endless_then_it_is_refused(target: Target) -> None:
    """60 kB and a megabyte; with and without escapes that could be undone to nothing."""
    for path in ("/" + "a/" * 30_000, "/v1/models/" + "%2e%2e%2f" * 6_000, "//" * 30_000):
        assert (await target.get(path)).status in {200, 401, 404}
    assert (await target.get("/" + "a" * MEGABYTE)).status == 431


@pytest.mark.parametrize("text", SQL)
async def test_name_when_it_is_sql_then_it_is_a_name_like_any_other(target: Target, text: str) -> None:
    """Kept, shown and searched for as it was sent."""
    made = await target.admin("POST", "accounts", {"name": text, "reason": text})
    assert made.status == 201
    listed = await target.admin("GET", f"accounts?search={quote(text)}")
    rows = jsonc.Decoder(dict[str, object])(listed.body)["data"]
    assert isinstance(rows, list)
    assert [row["name"] for row in rows] == [text]
    for query in (f"accounts?cursor={quote(text)}", f"usage?by={quote(text)}", f"usage?since={quote(text)}"):
        assert (await target.admin("GET", query)).status == 400
    nobody = await target.admin("GET", f"audit?account={quote(text)}")
    assert jsonc.Decoder(dict[str, object])(nobody.body)["data"] == []


@pytest.mark.parametrize("text", ["a\x00b", "\x1b[31mred", "a\r\nb", "\u202eadA", "\u200d", "", " ", "x" * 100_000])
async def test_name_or_reason_when_it_would_mislead_who_reads_it_then_400_or_413(target: Target, text: str) -> None:
    """Control characters, invisible ones, such as turn the line round, and what is too long."""
    for body in ({"name": text}, {"name": "Ada", "reason": text or "\n"}):
        assert (await target.admin("POST", "accounts", body)).status in {400, 413}


async def test_body_when_it_is_hostile_then_400_or_413(target: Target) -> None:
    """Broken, nested without end, of the wrong kind, too large; without and with a key."""
    deep = b'{"name":' + b"[" * 10_000 + b"]" * 10_000 + b"}"
    for body in (b"{", b"\x00", b"\xff", deep, b"[]", b"null", b'{"name":1e999}', b'{"name":"\\ud800"}'):
        reply = await target.send("POST", ADMIN, [b"authorization: Bearer " + TOKEN.encode()], body)
        assert (reply.status, reply.error["type"]) == (400, "invalid_request_error")
    large = b"x" * 70_000
    assert (await target.send("POST", ADMIN, [b"authorization: Bearer " + TOKEN.encode()], large)).status == 413
    key = b"authorization: Bearer " + target.key.encode()
    assert (await target.send("POST", "/v1/chat/completions", [key], large)).status == 413
    assert (await target.send("POST", "/v1/chat/completions", [b"x-api-key: ' OR 1=1 --"], large)).status == 401


async def test_unknown_keys_when_one_address_makes_them_up_then_they_are_looked_up_no_more(target: Target) -> None:
    """Well formed, so that only the database can tell; a proxy names the address, and a member behind it goes on.

    Every route that asks for a key is guarded.
    """

    async def ask(key: str, *made_up: bytes, line: str = "GET /v1/models") -> Reply:
        lines = [line.encode() + b" HTTP/1.1", b"host: a", b"authorization: Bearer " + key.encode()]
        return await target.service.ask(b"\r\n".join([*lines, *made_up, b"x-forwarded-for: 203.0.113.77", b"", b""]))

    assert (await ask(target.key)).status == 200
    for number in range(UNKNOWN_KEYS_A_MINUTE):
        assert (await ask(new_key(), b"x-forwarded-for: 192.0.2.%d" % (number + 1))).status == 401
    refused = await ask(new_key(), b"x-forwarded-for: 192.0.2.200")
    assert (refused.status, refused.error["code"]) == (429, "unknown_keys")
    assert 1 <= int(refused.headers["retry-after"]) <= 60
    for line in sorted(ASK_FOR_A_KEY):
        assert (await ask(new_key(), line=line)).status == 429, line
    target.gateway.authenticator.forget()
    assert (await ask(target.key)).status == 200
    assert (await target.get(PUBLIC, b"x-api-key: " + new_key().encode())).status == 401


async def test_gateway_when_all_of_it_has_passed_then_it_is_as_before(target: Target) -> None:
    """The tables are there, the key is good, the operator gets in."""
    assert (await target.get(PUBLIC, b"authorization: Bearer " + target.key.encode())).status == 200
    for path in ("accounts", "keys", "audit", "usage"):
        assert (await target.admin("GET", path)).status == 200
    found = await target.gateway.authenticator.caller(target.key)
    assert found.account.name == "Ada"
