"""Signing in, whole: gateways in this process, the fake Discord on loopback behind them, browsers with cookies."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from freetheai_gateway.app.gateway import Gateway
from freetheai_gateway.bot.commands import commands
from freetheai_gateway.jsonc import decode_any, encode
from freetheai_gateway.services.limit_headers import split_lines
from freetheai_gateway.services.reloading import ReloadOutcome
from freetheai_gateway.settings.load import from_document
from freetheai_gateway.testing.asgi import Client
from freetheai_gateway.testing.clock import FakeClock
from freetheai_gateway.testing.discord.loopback import LoopbackDiscord
from freetheai_gateway.testing.discord.oauth import CLIENT_SECRET
from freetheai_gateway.testing.discord.person import Person
from freetheai_gateway.testing.discord.server import APPLICATION_ID, BOT_TOKEN, GUILD_ID
from freetheai_gateway.web.asgi import GatewayASGI
from tests.contract.discord.desk import VIP, sign_up

HTTPS = "https://gateway.example"
UNHURRIED_S = 30.0
"""For a first answer to Discord: these tests are about something else."""

Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Got:
    """An answer."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes

    def header(self, name: bytes) -> str:
        """Read a header; empty where it is absent."""
        return next((value.decode() for key, value in self.headers if key == name), "")

    @property
    def set_cookies(self) -> list[str]:
        """Every cookie that it sets."""
        return [value.decode() for key, value in self.headers if key == b"set-cookie"]

    @property
    def json(self) -> Any:
        """The body, decoded."""
        return decode_any(self.body)

    @property
    def code(self) -> str:
        """The code of an error."""
        return str(self.json["error"]["code"])

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode()


@dataclass
class Browser:
    """A browser's side: it keeps cookies, and sends them to whichever node it asks."""

    asgi: GatewayASGI
    cookies: dict[str, str] = field(default_factory=dict)
    peer: str = "203.0.113.5"

    async def get(self, url: str, **headers: str) -> Got:
        """Open an address, as a person who typed it or followed a link."""
        return await self.ask("GET", url, headers={"accept": "text/html", **headers})

    async def ask(self, method: str, url: str, body: bytes = b"", *, headers: Mapping[str, str] | None = None) -> Got:
        """Send a request with the cookies that there are."""
        parts = urlsplit(url)
        lines = [(name.replace("_", "-").encode(), value.encode()) for name, value in (headers or {}).items()]
        if self.cookies:
            lines.append((b"cookie", "; ".join(f"{name}={value}" for name, value in self.cookies.items()).encode()))
        client = Client(method, parts.path, lines, (body,), query=parts.query.encode(), peer=self.peer)
        await self.asgi(client.scope, client.receive, client.send)
        got = Got(client.status, split_lines(client.sent[0]["lines"]), client.body)
        for cookie in got.set_cookies:
            pair, *attributes = cookie.split("; ")
            name, _, value = pair.partition("=")
            if "Max-Age=0" in attributes:
                self.cookies.pop(name, None)
            else:
                self.cookies[name] = value
        return got

    async def api(self, method: str, url: str, body: object = None, *, csrf: str = "", **headers: str) -> Got:
        """Ask as a script on our pages does."""
        sent = {"x-csrf-token": csrf} if csrf else {}
        return await self.ask(method, url, b"" if body is None else encode(body), headers={**sent, **headers})

    async def csrf(self, page: str = "/account") -> str:
        """Read the token off a page."""
        text = (await self.get(page)).text
        return text.partition('data-csrf="')[2].partition('"')[0]


@dataclass
class World:
    """A Discord, the nodes of one gateway, and the people."""

    discord: LoopbackDiscord
    clock: FakeClock
    node: Gateway
    other: Gateway
    asgi: GatewayASGI
    other_asgi: GatewayASGI
    callback: str

    def browser(self, *, on_other: bool = False, peer: str = "203.0.113.5") -> Browser:
        """Open a fresh browser."""
        return Browser(self.other_asgi if on_other else self.asgi, peer=peer)

    def person(self, name: str, **kwargs: Any) -> Person:
        """Let somebody join the server."""
        browser = self.browser()

        async def post(headers: Any, body: bytes) -> tuple[int, bytes]:
            client = Client("POST", "/discord/interactions", headers, (body,))
            await browser.asgi(client.scope, client.receive, client.send)
            return client.status, client.body

        return Person(self.discord.fake, post, name, **kwargs)

    async def member(self, name: str, **kwargs: Any) -> tuple[Person, str]:
        """Let somebody join and sign up; gives their key too."""
        person = self.person(name, **kwargs)
        return person, await sign_up(person)

    def says_yes(self, location: str, person: Person) -> str:
        """Let a person allow it on Discord's page; gives the path that their browser is sent back to."""
        consent = self.discord.fake.oauth.read(urlsplit(location).query)
        url = self.discord.fake.oauth.allow(consent, person.id)
        assert url.startswith(f"{self.callback}?")
        parts = urlsplit(url)
        return f"{parts.path}?{parts.query}"

    async def sign_in(self, browser: Browser, person: Person, to: str = "account") -> Got:
        """Take the whole way."""
        begun = await browser.get(f"/login?to={to}")
        assert begun.status == 303, begun.text
        return await browser.get(self.says_yes(begun.header(b"location"), person))

    async def signed_in(self, person: Person, **kwargs: Any) -> Browser:
        """Give a browser in which somebody is signed in."""
        browser = self.browser(**kwargs)
        assert (await self.sign_in(browser, person)).status == 303
        return browser


class NoReload:
    """Implements `Reload`: finds one alias, and keeps how it was asked."""

    def __init__(self) -> None:
        self.asked: list[bool] = []

    async def __call__(self, *, dry_run: bool) -> ReloadOutcome:
        self.asked.append(dry_run)
        return ReloadOutcome({"aliases": ["+x"]})


def query_of(location: str) -> dict[str, str]:
    """Read the query of an address."""
    return {name: values[0] for name, values in parse_qs(urlsplit(location).query).items()}


def callback(**fields: str) -> str:
    """Write the address that a browser is sent back to."""
    return f"/login/callback?{urlencode(fields)}"


OPERATOR_ID = "200000000000000001"
Open = Callable[..., Awaitable[World]]


@pytest.fixture
async def open_world(tmp_path: Path) -> AsyncIterator[Open]:
    """Open a world: two nodes on one database."""
    clock, nodes = FakeClock(), []
    async with LoopbackDiscord() as discord:
        discord.fake.clock = clock
        discord.fake.oauth._clock = clock
        discord.fake.commands = commands()

        async def open_one(public_url: str = HTTPS, **tables: Any) -> World:
            document = {
                "server": {"public_url": public_url},
                "database": {"url": f"sqlite:///{tmp_path}/login.db"},
                "discord": {
                    "application_id": APPLICATION_ID,
                    "public_key": discord.fake.public_key,
                    "guild_id": GUILD_ID,
                    "bot_token": BOT_TOKEN,
                    "client_secret": CLIENT_SECRET,
                    "api_base": discord.api_base,
                    "authorize_url": discord.authorize_url,
                    "operators": [OPERATOR_ID],
                    "tier_roles": {VIP: 2},
                },
                "site": {"name": "Example"},
                "providers": [{"name": "zai", "api": "openai", "base_url": "http://127.0.0.1:9", "api_keys": ["k"]}],
                "models": [{"id": "glm/x", "upstreams": [{"provider": "zai", "model": "x"}]}],
                **tables,
            }
            for number in (1, 2):
                own = {**document, "journal": {"directory": f"{tmp_path}/journal-{number}"}}
                node = await Gateway.open(from_document(own, {}, tmp_path).settings, clock=clock)
                assert node.desk is not None
                node.desk.bot._settings = replace(node.desk.bot._settings, first_answer_s=UNHURRIED_S)
                nodes.append(node)
            discord.fake.oauth.redirect_uris = {f"{public_url}/login/callback"}
            here, other = nodes
            asgis = [each.asgi(lambda: False, NoReload()) for each in nodes]
            return World(discord, clock, here, other, asgis[0], asgis[1], f"{public_url}/login/callback")

        yield open_one
        for node in nodes:
            await node.close()


@pytest.fixture
async def world(open_world: Open) -> World:
    """Give a world that is reached over https."""
    return await open_world()


@pytest.fixture
def operator(world: World) -> Person:
    """Give an operator, who has no account."""
    return as_operator(world)


def as_operator(world: World) -> Person:
    """Let the operator join."""
    boss = world.person("Olga")
    fake = world.discord.fake
    member = fake.members.pop(boss.id)
    fake.users.pop(boss.id)
    boss.id = member["user"]["id"] = OPERATOR_ID
    fake.members[boss.id], fake.users[boss.id] = member, member["user"]
    return boss
