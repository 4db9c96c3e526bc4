"""Signing in to the pages, wired, where `[discord]` is set up for it and cookies may be set."""

from collections.abc import Callable
from dataclasses import dataclass

from freetheai_gateway.bot.payload import Member, applicant_of
from freetheai_gateway.clock import Clock
from freetheai_gateway.dialects.protocol import Dialect
from freetheai_gateway.jsonc import Decoder
from freetheai_gateway.limits.refusals import RefusalGuard
from freetheai_gateway.log import get_log
from freetheai_gateway.services.directory import Directory
from freetheai_gateway.services.key_desk.gates import Applicant
from freetheai_gateway.services.key_desk.membership import Membership
from freetheai_gateway.services.login import Login
from freetheai_gateway.services.ports import UpstreamClient
from freetheai_gateway.settings.tree import Settings
from freetheai_gateway.store.database import Database
from freetheai_gateway.store.web_sessions import SqlSessions
from freetheai_gateway.upstream.discord.oauth import DiscordOAuth, OAuthSettings
from freetheai_gateway.web.login import ALL_REFUSED_A_MINUTE, FAILED_A_MINUTE, LoginRoutes
from freetheai_gateway.web.routes import Handler, Route
from freetheai_gateway.web.sessions import SessionGate, cookies_for

CALLBACK = "/login/callback"
AsPage = Callable[[Handler], Handler]
"""Makes a handler whose errors are pages."""
_read_member: Decoder[Member] = Decoder(Member)


@dataclass(frozen=True, slots=True)
class SignIn:
    """What signing in is made of."""

    gate: SessionGate
    handlers: LoginRoutes

    def routes(self, dialect: Dialect, page: AsPage) -> list[Route]:
        """List its routes; what goes wrong in them is shown as a page."""
        return [
            Route("/login", {"GET": page(self.handlers.begin)}, dialect, top=True),
            Route(CALLBACK, {"GET": page(self.handlers.back)}, dialect, top=True),
            Route("/logout", {"POST": page(self.handlers.end)}, dialect, top=True),
        ]


def build_sign_in(
    settings: Settings,
    database: Database,
    directory: Directory,
    membership: Membership,
    *,
    client: UpstreamClient,
    clock: Clock,
) -> SignIn | None:
    """Build it, or say with `None` that nobody can sign in here."""
    discord, public_url = settings.discord, settings.server.public_url
    cookies = cookies_for(public_url)
    if not discord.login_is_on:
        return None
    log = get_log("login")
    if cookies is None:
        log.warning("login_is_off", hint="server.public_url must be https for people to sign in")
        return None
    oauth = OAuthSettings(
        discord.application_id,
        discord.client_secret or "",
        discord.guild_id,
        discord.api_base,
        discord.authorize_url,
        f"{public_url}{CALLBACK}",
    )
    login = Login(
        SqlSessions(database),
        DiscordOAuth(oauth, client, _applicant, log),
        membership,
        directory=directory,
        operators=frozenset(discord.operators),
        clock=clock,
    )
    gate = SessionGate(login, cookies)
    guards = RefusalGuard(limit=FAILED_A_MINUTE), RefusalGuard(limit=ALL_REFUSED_A_MINUTE, max_keys=1)
    return SignIn(gate, LoginRoutes(login, gate, *guards, clock))


def _applicant(body: bytes) -> Applicant:
    return applicant_of(_read_member(body))
