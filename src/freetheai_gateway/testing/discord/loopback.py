"""The fake Discord as a server on loopback: for demonstrations, and for browsers in tests.

    with discord_in_thread() as discord:
        ...                   # settings: discord.api_base, discord.authorize_url; then discord.fake, discord.clock

`GET /oauth2/authorize` shows a page on which one chooses who one is. `POST /_clock` with `{"advance_s": 60}` moves the
clock of this Discord; codes, tokens and interactions expire by it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from urllib.parse import parse_qsl

import msgspec

from freetheai_gateway.clock import SystemClock
from freetheai_gateway.jsonc import Decoder, encode
from freetheai_gateway.services.ports import Origin, UpstreamFailed, UpstreamRequest
from freetheai_gateway.testing.discord.oauth import Refused
from freetheai_gateway.testing.discord.server import FakeDiscord
from freetheai_gateway.testing.exchanges import Exchange
from freetheai_gateway.testing.scripts import Script, whole_reply
from freetheai_gateway.testing.upstream import ScriptedUpstream, served_in_thread

_ORIGIN = Origin("http", "discord.test", 80)
_AUTHORIZE, _CLOCK = "/oauth2/authorize", "/_clock"
_HTML = "text/html; charset=utf-8"
_NOTHING = whole_reply(404, b"")
_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Sign in</title>
<link rel="icon" href="data:,">
<style>body{{font:1.1rem/1.6 system-ui,sans-serif;max-width:30rem;margin:15vh auto;padding:0 1rem}}
button{{font:inherit;padding:.5rem 1rem;margin:.2rem 0;display:block;width:100%}}</style>
<h1>This is not Discord</h1><p>It plays Discord on this machine. Who are you?</p>
<form method="post" action="{action}">{people}<button name="user" value="">Cancel</button></form></html>"""


class VirtualClock:
    """The machine's clock, and whatever it was moved ahead by."""

    def __init__(self) -> None:
        self._system = SystemClock()
        self._ahead_s = 0.0

    def monotonic(self) -> float:
        """Seconds since an arbitrary point."""
        return self._system.monotonic() + self._ahead_s

    def wall(self) -> float:
        """Seconds since 1970."""
        return self._system.wall() + self._ahead_s

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self._ahead_s += seconds


class _Advance(msgspec.Struct, forbid_unknown_fields=True):
    advance_s: float


_read_advance: Decoder[_Advance] = Decoder(_Advance)


class LoopbackDiscord(ScriptedUpstream):
    """Serves a `FakeDiscord` over HTTP. Unknown routes are mistakes of the caller's, raised when it stops."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = VirtualClock()
        self.fake = FakeDiscord(self.clock)
        self.people: dict[str, str] = {}
        """Names that the authorize page offers, by Discord id."""

    @property
    def api_base(self) -> str:
        """What `discord.api_base` is set to."""
        return f"{self.url}/api/v10"

    @property
    def authorize_url(self) -> str:
        """What `discord.authorize_url` is set to."""
        return f"{self.url}{_AUTHORIZE}"

    def received(
        self, connection: int, method: str, target: str, headers: tuple[tuple[str, str], ...], body: bytes
    ) -> tuple[Exchange, Script]:
        """Keep a request and decide its reply."""
        exchange, _ = super().received(connection, method, target, headers, body)
        path, _, query = target.partition("?")
        if path == _AUTHORIZE:
            return exchange, self._authorize(method, query, body)
        if path == _CLOCK and method == "POST":
            self.clock.advance(_read_advance(body).advance_s)
            return exchange, whole_reply(200, encode({"wall_s": self.clock.wall()}))
        lines = tuple((name.lower().encode(), value.encode("latin-1")) for name, value in headers)
        try:
            reply = self.fake.answer(UpstreamRequest(method, _ORIGIN, target, lines, body))
        except (AssertionError, UpstreamFailed) as wrong:
            self.failures.append(wrong)
            return exchange, whole_reply(500, b"{}")
        return exchange, whole_reply(reply.status, reply.whole)

    def _reply(self, _method: str, _path: str, _body: bytes) -> Script:
        return _NOTHING

    def _control(self, _method: str, _path: str, _body: bytes) -> Script:
        return _NOTHING

    def _authorize(self, method: str, query: str, body: bytes) -> Script:
        try:
            consent = self.fake.oauth.read(query)
        except Refused as refused:
            return whole_reply(400, escape(str(refused)).encode(), content_type=_HTML)
        if method != "POST":
            people = "".join(
                f'<button name="user" value="{escape(user_id)}">{escape(name)}</button>'
                for user_id, name in self.people.items()
            )
            action = escape(f"{_AUTHORIZE}?{query}")
            return whole_reply(200, _PAGE.format(action=action, people=people).encode(), content_type=_HTML)
        user_id = dict(parse_qsl(body.decode())).get("user", "")
        known = user_id in self.fake.users
        url = self.fake.oauth.allow(consent, user_id) if known else self.fake.oauth.deny(consent)
        return whole_reply(303, b"", headers=(("location", url),))


@contextmanager
def discord_in_thread() -> Iterator[LoopbackDiscord]:
    """Run one on an event loop of its own."""
    with served_in_thread(LoopbackDiscord()) as discord:
        yield discord
