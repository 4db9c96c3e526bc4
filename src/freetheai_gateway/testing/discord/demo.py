"""The key desk without Discord: a fake one and a gateway on this machine, and a newcomer who signs up in a terminal."""

import asyncio
import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from freetheai_gateway.app.discord_setup import commands_of, sync
from freetheai_gateway.app.registration import rest_settings
from freetheai_gateway.clock import SystemClock
from freetheai_gateway.domain.pools import Timeouts
from freetheai_gateway.services.ports import Origin, UpstreamRequest
from freetheai_gateway.settings.load import load
from freetheai_gateway.testing.child import ChildGateway
from freetheai_gateway.testing.discord.loopback import LoopbackDiscord
from freetheai_gateway.testing.discord.oauth import CLIENT_SECRET
from freetheai_gateway.testing.discord.person import Answer, Person
from freetheai_gateway.testing.discord.rules import Illegal, check_filled
from freetheai_gateway.testing.discord.server import APPLICATION_ID, BOT_TOKEN, GUILD_ID
from freetheai_gateway.testing.discord.terminal import Say, Typist, fill_in, show_message
from freetheai_gateway.testing.discord.walk import CHAT_MODEL, Step, Walker, WalkFailed
from freetheai_gateway.upstream.discord.rest import DiscordRest
from freetheai_gateway.upstream.http1 import Http1Client

_KEY = re.compile(r"fta_[0-9A-Za-z]{38}")
_PATIENCE = Timeouts(connect_s=5.0, total_s=30.0)
_MODAL, _DEFERRED = 9, 5
LOADING_S = 60.0
_LOOK_AGAIN_S = 0.1
_CONFIGURATION = """\
[discord]
application_id = "{application_id}"
public_key = "{public_key}"
guild_id = "{guild_id}"
bot_token = "{bot_token}"
client_secret = "{client_secret}"
api_base = "{api_base}"
authorize_url = "{authorize_url}"
operators = ["{operator}"]
"""


@dataclass
class Demo:
    """What was done: how many things the member had to do, and how long it took from `/signup` to the first word."""

    actions: int = 0
    seconds: float = 0.0
    steps: list[Step] = field(default_factory=list)


async def run_demo(typist: Typist, say: Say, *, stays: bool) -> Demo:
    """Play it all; with `stays` the pages are there to be looked at until Enter is pressed.

    Raises `child.ChildFailed` where the gateway does not start, and `walk.WalkFailed`.
    """
    with tempfile.TemporaryDirectory(prefix="freetheai-demo-") as folder:
        async with LoopbackDiscord() as discord:
            stage = _Stage(discord, Path(folder), typist, say)
            try:
                return await stage.play(stays=stays)
            finally:
                await stage.close()


class _Stage:
    """The two servers, the two people, and the terminal between them."""

    def __init__(self, discord: LoopbackDiscord, folder: Path, typist: Typist, say: Say) -> None:
        self._discord = discord
        self._typist = typist
        self._say = say
        self._clock = SystemClock()
        self._client = Http1Client()
        self._ada = Person(discord.fake, self._post, "Ada")
        self._olga = Person(discord.fake, self._post, "Olga")
        discord.people.update({self._ada.id: "Ada, a member", self._olga.id: "Olga, an operator"})
        self._config = folder / "freetheai.toml"
        text = _CONFIGURATION.format(
            application_id=APPLICATION_ID,
            public_key=discord.fake.public_key,
            guild_id=GUILD_ID,
            bot_token=BOT_TOKEN,
            client_secret=CLIENT_SECRET,
            api_base=discord.api_base,
            authorize_url=discord.authorize_url,
            operator=self._olga.id,
        )
        self._gateway = ChildGateway(folder, text, {})
        self._is_started = False
        self._demo = Demo()
        self._began = 0.0

    async def play(self, *, stays: bool) -> Demo:
        """Start, sign up, talk, walk."""
        self._say("A server that plays Discord, and a gateway beside it. Nothing leaves this machine.\n")
        await self._start()
        key = await self._sign_up()
        await self._first_words(key)
        self._say("\nThe same key, everywhere:\n")
        async for step in Walker(self._client, self._gateway.port, key, self._clock).steps():
            self._demo.steps.append(step)
            self._say(f"  {step.title:<11} {step.line:<28} {step.status}  {step.ms:>5} ms  {step.shown}")
        if stays:
            self._say(f"\n{self._url}/account   sign in as Ada\n{self._url}/admin     sign in as Olga")
            await self._typist.type("Press Enter to end.", "")
        return self._demo

    async def close(self) -> None:
        """End the gateway."""
        if self._is_started:
            await self._gateway.stop()
        await self._client.aclose()

    @property
    def _url(self) -> str:
        return f"http://127.0.0.1:{self._gateway.port}"

    async def _start(self) -> None:
        self._is_started = True
        await self._gateway.start()
        await self._wait_for_model()
        fake = self._discord.fake
        fake.oauth.redirect_uris = {f"{self._url}/login/callback"}
        fake.endpoint = f"{self._url}/discord/interactions"
        settings = load(self._config, {}).settings
        rest = DiscordRest(rest_settings(settings.discord), self._client, self._clock)
        difference = await sync(settings.discord, rest, commands_of(settings), dry_run=False)
        self._say(f"freetheai discord sync: {', '.join('/' + name for name in difference.added)}\n")

    async def _wait_for_model(self) -> None:
        """Wait until the log says that the model is loaded: requests until then would count. Raises `WalkFailed`."""
        until = self._clock.monotonic() + LOADING_S
        while "local_model_ready" not in (said := self._gateway.output()):
            if "local_model_missing" in said:
                raise WalkFailed("the local model is not installed; run: freetheai local install")
            if self._clock.monotonic() > until:
                raise WalkFailed(f"the local model was not loaded within {LOADING_S:.0f} s")
            await asyncio.sleep(_LOOK_AGAIN_S)

    async def _sign_up(self) -> str:
        """Take the member to their key, however often they answer wrongly."""
        self._say("#general")
        while await self._typist.type("Ada:", "/signup") != "/signup":
            self._say("  Members begin with /signup.")
        self._began = self._clock.monotonic()
        self._demo.actions += 1
        answer = await self._ada.slash("signup")
        while answer["type"] == _MODAL:
            answer = await self._submit(answer)
        if answer["type"] != _DEFERRED:
            show_message(answer["data"], self._say)
            raise WalkFailed("the key desk refused")
        self._say("  └ submitted; the gateway is thinking …")
        message = await self._ada.sees()
        show_message(message, self._say)
        found = _KEY.search(str(message["content"]))
        if found is None:
            raise WalkFailed("there is no key in the message")
        self._demo.actions += 1
        self._say("  (copy the key)")
        return found[0]

    async def _submit(self, modal: Answer) -> Answer:
        """Have the form filled in; after a wrong answer press the button that gives another one."""
        filled = await self._filled(modal)
        self._demo.actions += 1
        answer = await self._ada.fill_in(modal, **filled)
        if answer["type"] != 4:
            return answer
        show_message(answer["data"], self._say)
        rows: Sequence[Answer] = answer["data"].get("components", ())
        if not rows:
            raise WalkFailed("the key desk refused")
        return await self._ada.press(answer["data"], rows[0]["components"][0]["custom_id"])

    async def _filled(self, modal: Answer) -> dict[str, str]:
        """Have the form filled in until Discord's own client would send it."""
        while True:
            filled = await fill_in(modal, self._typist, self._say)
            try:
                check_filled(modal["data"], filled)
            except Illegal as wrong:
                self._say(f"  │ not sent: {wrong}")
            else:
                return filled

    async def _first_words(self, key: str) -> None:
        self._say(f"\n$ curl -N {self._url}/v1/chat/completions … model {CHAT_MODEL}, stream")
        prompt = await self._typist.type("Your message:", "Say hello.")
        self._demo.actions += 1
        words, first = [], None
        async for word in Walker(self._client, self._gateway.port, key, self._clock).words(prompt):
            if first is None:
                first = self._clock.monotonic()
            words.append(word)
        if first is None:
            raise WalkFailed("the model said nothing")
        self._demo.seconds = first - self._began
        self._say(f"  {CHAT_MODEL}: {' '.join(''.join(words).split())}")
        self._say(
            f"  {self._demo.actions} actions and {self._demo.seconds:.1f} s from /signup to the first streamed word"
        )

    async def _post(self, headers: list[tuple[bytes, bytes]], body: bytes) -> tuple[int, bytes]:
        origin = Origin("http", "127.0.0.1", self._gateway.port)
        request = UpstreamRequest("POST", origin, "/discord/interactions", tuple(headers), body, timeouts=_PATIENCE)
        reply = await self._client.send(request)
        try:
            parts = []
            while part := await reply.read():
                parts.append(part)
            return reply.status, b"".join(parts)
        finally:
            reply.close()


def play(typist: Typist, say: Say, *, stays: bool) -> Demo:
    """Run it in a loop of its own."""
    return asyncio.run(run_demo(typist, say, stays=stays))
