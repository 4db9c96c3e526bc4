"""A gateway's key desk over a real database, with the fake Discord before and behind it: no socket, a clock of ours."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from freetheai_gateway.app.registration import Community, Desk
from freetheai_gateway.dialects.openai_chat import OpenAIChat
from freetheai_gateway.domain.accounts import Caller
from freetheai_gateway.domain.health import Thresholds
from freetheai_gateway.errors import Unauthenticated
from freetheai_gateway.log import RequestLine
from freetheai_gateway.metrics import Metrics
from freetheai_gateway.services.authenticate import Authenticator
from freetheai_gateway.services.directory import Directory
from freetheai_gateway.services.key_desk.jobs import LONGEST_S
from freetheai_gateway.services.observe import Observer
from freetheai_gateway.settings.secret import Secret
from freetheai_gateway.settings.tree import Discord, Membership, SignUp
from freetheai_gateway.store.accounts import SqlAccounts
from freetheai_gateway.store.changes import ChangeFeed
from freetheai_gateway.store.database import Database
from freetheai_gateway.store.location import StoreSettings
from freetheai_gateway.testing.asgi import Client
from freetheai_gateway.testing.clock import FakeClock
from freetheai_gateway.testing.discord.person import Answer, Person
from freetheai_gateway.testing.discord.server import APPLICATION_ID, BASE, BOT_TOKEN, GUILD_ID, FakeDiscord
from freetheai_gateway.testing.discord.solve import question_of, solve
from freetheai_gateway.testing.offers import REGULAR, STARTER, chat_model, make_offer
from freetheai_gateway.testing.ports import RecordingLog
from freetheai_gateway.web.asgi import GatewayASGI
from freetheai_gateway.web.cors import CrossOrigin
from freetheai_gateway.web.routes import Router

VIP = "700000000000000001"
PATH = "/discord/interactions"


@dataclass(frozen=True, slots=True)
class Patience:
    """How long answers and work may take; a test is in no hurry unless it says so."""

    first_answer_s: float = 30.0
    longest_job_s: float = LONGEST_S


class Node:
    """One process's desk and key check; two nodes may share a database file."""

    def __init__(self, discord: FakeDiscord, database: Database, settings: Discord, patience: Patience) -> None:
        self.database = database
        self.accounts = SqlAccounts(database)
        self.lines: list[RequestLine] = []
        self.log = RecordingLog()
        models = [chat_model(f"glm/model-{number:03}") for number in range(60)]
        directory = Directory(make_offer(*models, tiers=(STARTER, REGULAR)))
        self.authenticator = Authenticator(self.accounts, directory)
        self.feed = ChangeFeed(database)
        self.feed.subscribe(self.authenticator.forget)
        clock = discord.clock

        async def sleep(seconds: float) -> None:
            if isinstance(clock, FakeClock):
                clock.advance(seconds)
            else:
                await asyncio.sleep(seconds)

        self.community = Community(settings, database, client=discord, clock=clock, sleep=sleep)
        self.desk = Desk(
            self.community,
            database,
            directory,
            clock=clock,
            first_answer_s=patience.first_answer_s,
            longest_job_s=patience.longest_job_s,
        )
        observer = Observer(Metrics(), Thresholds(5, 0.05, 0.5), clock)
        self.asgi = GatewayASGI(
            Router(self.desk.routes(OpenAIChat())),
            OpenAIChat(),
            clock,
            self.log,
            self.lines.append,
            observer=observer,
            cross_origin=CrossOrigin(()),
            keepalive_s=15.0,
        )

    async def post(self, headers: Sequence[tuple[bytes, bytes]], body: bytes) -> tuple[int, bytes]:
        """Send a request to the interactions endpoint."""
        client = Client("POST", PATH, headers, (body,))
        await self.asgi(client.scope, client.receive, client.send)
        return client.status, client.body

    async def caller(self, key: str) -> Caller:
        """Authenticate as the API does, after looking for changes."""
        await self.feed.poll_once()
        return await self.authenticator.caller(key)

    async def refuses(self, key: str) -> bool:
        """Whether the API refuses a key."""
        try:
            await self.caller(key)
        except Unauthenticated:
            return True
        return False

    async def close(self) -> None:
        """End the work in flight and close."""
        await self.desk.close()
        await self.feed.close()
        await self.database.close()


def settings_for(
    discord: FakeDiscord,
    *,
    operators: tuple[str, ...] = (),
    tier_skus: tuple[tuple[str, int], ...] = (),
    membership: Membership | None = None,
    **signup: Any,
) -> Discord:
    """Make the settings of the fake's application."""
    return Discord(
        application_id=APPLICATION_ID,
        public_key=discord.public_key,
        bot_token=Secret(BOT_TOKEN),
        guild_id=GUILD_ID,
        api_base=BASE,
        tier_roles=((VIP, 2),),
        tier_skus=tier_skus,
        membership=membership or Membership(),
        operators=operators,
        signup=SignUp(**signup),
    )


async def open_node(discord: FakeDiscord, url: str, settings: Discord, patience: Patience) -> Node:
    """Open a node on a database."""
    database = await Database.open(StoreSettings(url=url), create=True)
    return Node(discord, database, settings, patience)


async def filled(person: Person, modal: Answer, **fields: str) -> Answer:
    """Fill a form in rightly and send it."""
    question = question_of(modal)
    answer = {"answer": solve(question)} if question else {}
    use = {"use": "Homework and small experiments"} if "'custom_id': 'use'" in str(modal) else {}
    return await person.fill_in(modal, **(use | answer | fields))


async def outcome(person: Person, modal: Answer) -> str:
    """Fill a form in and give what its owner reads in the end, told at once or later."""
    answer = await filled(person, modal)
    message = answer["data"] if answer["type"] == 4 else await person.sees()
    return str(message["content"])


async def sign_up(person: Person) -> str:
    """Take the whole way; gives the key."""
    deferred = await filled(person, await person.slash("signup"))
    assert deferred == {"type": 5, "data": {"flags": 64}}
    return key_in(await person.sees())


async def reset(person: Person) -> str:
    """Replace the key; gives the new one."""
    await filled(person, await person.slash("resetkey"))
    return key_in(await person.sees())


def key_in(message: Answer) -> str:
    """Read the key off its message."""
    lines = str(message["content"]).splitlines()
    found = [line for line in lines if line.startswith("fta_")]
    assert found, f"there is no key in {lines}"
    return found[0]


def submit_of(modal: Answer) -> Answer:
    """Render what a right submit of a form holds, in the older shape that the reader takes too."""
    data = modal["data"]
    fields = {"use": "Homework and small experiments", "answer": solve(question_of(modal)), "website": None}
    rows = [
        {"type": 1, "components": [{"type": 4, "custom_id": name, "value": value}]} for name, value in fields.items()
    ]
    return {"custom_id": data["custom_id"], "components": rows}
