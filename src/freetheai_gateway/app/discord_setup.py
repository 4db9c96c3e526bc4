"""Setting Discord up: telling it the commands, and looking over everything that can be set up wrong."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from freetheai_gateway.app.login import CALLBACK
from freetheai_gateway.bot.commands import Command, commands
from freetheai_gateway.jsonc import Decoder, encode
from freetheai_gateway.services.key_desk.ports import DeliveryFailed
from freetheai_gateway.services.key_desk.registering import Difference, compare
from freetheai_gateway.settings.tree import Discord, Settings
from freetheai_gateway.upstream.discord.rest import Call, DiscordRest
from freetheai_gateway.web.sessions import cookies_for

_UNKNOWN_GUILD, _MISSING_ACCESS = 10004, 50001


class _Application(msgspec.Struct, frozen=True):
    verify_key: str = ""
    interactions_endpoint_url: str | None = None
    redirect_uris: tuple[str, ...] = ()


class _Role(msgspec.Struct, frozen=True):
    id: str


_read_commands: Decoder[list[dict[str, Any]]] = Decoder(list[dict[str, Any]])
_read_application: Decoder[_Application] = Decoder(_Application)
_read_roles: Decoder[list[_Role]] = Decoder(list[_Role])


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at; `hint` says how it is put right, and is empty where it is."""

    what: str
    hint: str = ""


def commands_of(settings: Settings) -> list[Command]:
    """List the commands that this configuration answers."""
    return commands(
        with_check_in=settings.access.check_in,
        with_pictures=any(model.kind == "image" for model in settings.models),
    )


async def sync(settings: Discord, rest: DiscordRest, wanted: Sequence[Command], *, dry_run: bool) -> Difference:
    """Make Discord's list of commands ours, in one call, and only where it differs. Raises `DeliveryFailed`."""
    path = f"/applications/{settings.application_id}/guilds/{settings.guild_id}/commands"
    difference = compare(_read_commands(await rest.call(Call("GET", path, "commands"))), wanted)
    if not dry_run and not difference.is_empty:
        await rest.call(Call("PUT", path, "commands", encode(wanted)))
    return difference


async def examine(settings: Discord, rest: DiscordRest, wanted: Sequence[Command], public_url: str) -> list[Finding]:
    """Look over the application, the server, its roles and the commands; stops where nothing more can be seen."""
    try:
        application = _read_application(await rest.call(Call("GET", "/applications/@me", "application")))
    except DeliveryFailed as failed:
        return [Finding("bot token", _why(failed, "set DISCORD_BOT_TOKEN to the token of the Bot page"))]
    findings = [
        Finding("bot token"),
        Finding(
            "public key",
            ""
            if application.verify_key == settings.public_key
            else "discord.public_key is not the application's; copy it from General Information",
        ),
        _endpoint(application, f"{public_url}/discord/interactions"),
        _sign_in(settings, application, public_url),
    ]
    try:
        roles = _read_roles(await rest.call(Call("GET", f"/guilds/{settings.guild_id}/roles", "roles")))
    except DeliveryFailed as failed:
        return [*findings, Finding("server", _why(failed, "invite the bot to the server of discord.guild_id"))]
    there = {role.id for role in roles}
    gone = [role for role, _ in settings.tier_roles if role not in there]
    findings.append(Finding("server"))
    findings.append(
        Finding("roles", f"discord.tier_roles names no roles of the server: {', '.join(gone)}" if gone else "")
    )
    difference = await sync(settings, rest, wanted, dry_run=True)
    findings.append(Finding("commands", "" if difference.is_empty else "run: freetheai discord sync"))
    return findings


def _endpoint(application: _Application, wanted: str) -> Finding:
    if application.interactions_endpoint_url == wanted:
        return Finding("interactions endpoint")
    return Finding("interactions endpoint", f"set Interactions Endpoint URL to {wanted} on General Information")


def _sign_in(settings: Discord, application: _Application, public_url: str) -> Finding:
    """Look at what signing in on the pages takes; leaving it off is no mistake."""
    what, address = "signing in", f"{public_url}{CALLBACK}"
    if not settings.login_is_on:
        return Finding(f"{what} (off: no client secret)")
    if cookies_for(public_url) is None:
        return Finding(what, "set server.public_url to the https address that browsers use")
    if address not in application.redirect_uris:
        return Finding(what, f"add {address} to Redirects on the OAuth2 page")
    return Finding(what)


def _why(failed: DeliveryFailed, hint: str) -> str:
    if not failed.status:
        return "Discord can't be reached from here; try again later"
    return f"{hint} (Discord answered {failed.status}, code {failed.code})"
