"""`freetheai discord`: tell Discord the commands, look the set-up over, and try it all without Discord."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from freetheai_gateway.cli.failures import FAILED
from freetheai_gateway.cli.options import ConfigOption, JsonOption
from freetheai_gateway.cli.output import print_json, print_text, say
from freetheai_gateway.cli.session import read_settings

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from freetheai_gateway.settings import Settings
    from freetheai_gateway.upstream.discord.rest import DiscordRest

T = TypeVar("T")

app = typer.Typer(no_args_is_help=True, help="Set the key desk on Discord up.")


@app.command()
def sync(
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would change.")] = False,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Tell Discord the commands of this version, where it does not know them yet."""
    from freetheai_gateway.app.discord_setup import commands_of
    from freetheai_gateway.app.discord_setup import sync as run

    settings = _settings(read_settings(config))
    difference = _with_rest(settings, lambda rest: run(settings.discord, rest, commands_of(settings), dry_run=dry_run))
    parts = {"added": difference.added, "changed": difference.changed, "removed": difference.removed}
    if as_json:
        print_json({"dry_run": dry_run, **{name: list(names) for name, names in parts.items()}})
        return
    for what, names in parts.items():
        for name in names:
            print_text(f"{'would be ' if dry_run else ''}{what}: /{name}")
    if difference.is_empty:
        print_text("Discord knows the commands already; nothing was to be done.")


@app.command()
def doctor(*, as_json: JsonOption = False, config: ConfigOption = None) -> None:
    """Look over everything that can be set up wrong, and say what to do.

    The exit code is 1 where something is to be done.
    """
    from freetheai_gateway.app.discord_setup import commands_of, examine

    settings = _settings(read_settings(config))
    findings = _with_rest(
        settings, lambda rest: examine(settings.discord, rest, commands_of(settings), settings.server.public_url)
    )
    is_well = not any(finding.hint for finding in findings)
    if as_json:
        found = [{"what": finding.what, "ok": not finding.hint, "hint": finding.hint} for finding in findings]
        print_json({"ok": is_well, "findings": found})
    else:
        for finding in findings:
            print_text(f"{finding.what}: {finding.hint or 'ok'}")
    if not is_well:
        raise typer.Exit(FAILED)


@app.command()
def demo(
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Type nothing: take every suggestion and end.")] = False,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Sign up in this terminal, with a fake Discord and a gateway on this machine.

    Needs neither Discord nor a configuration; nothing is kept. Shows every message as a member sees it, hands out a
    key, streams a first answer from the embedded model and walks the key through the whole API. Then the pages are
    there to sign in to, as a member and as an operator.
    """
    from freetheai_gateway.cli.session import locate_config
    from freetheai_gateway.testing.child import ChildFailed
    from freetheai_gateway.testing.discord.demo import play
    from freetheai_gateway.testing.discord.terminal import Keyboard, Script
    from freetheai_gateway.testing.discord.walk import WalkFailed

    locate_config(config)  # nothing is read from it, but a wrong name is said here as everywhere
    is_quiet = yes or as_json
    show = say if as_json else print_text
    try:
        done = play(Script(show) if is_quiet else Keyboard(), show, stays=not is_quiet)
    except EOFError:
        say("Nobody types here: freetheai discord demo --yes goes on by itself.")
        raise typer.Exit(FAILED) from None
    except (ChildFailed, WalkFailed) as failed:
        say(f"Error: {failed}")
        raise typer.Exit(FAILED) from None
    if as_json:
        steps = [
            {"step": step.title, "request": step.line, "status": step.status, "ms": step.ms} for step in done.steps
        ]
        print_json(
            {"ok": True, "actions": done.actions, "seconds_to_first_word": round(done.seconds, 3), "steps": steps}
        )


def _settings(settings: Settings) -> Settings:
    """Refuse where Discord is not set up at all."""
    if not settings.discord.is_on:
        say("Discord is off: set application_id, public_key, bot_token and guild_id in [discord].")
        raise typer.Exit(FAILED)
    return settings


def _with_rest(settings: Settings, work: Callable[[DiscordRest], Awaitable[T]]) -> T:
    import asyncio

    from freetheai_gateway.app.registration import rest_settings
    from freetheai_gateway.clock import SystemClock
    from freetheai_gateway.services.key_desk.ports import DeliveryFailed
    from freetheai_gateway.upstream.discord.rest import DiscordRest
    from freetheai_gateway.upstream.http1 import Http1Client

    async def run() -> T:
        client = Http1Client()
        try:
            return await work(DiscordRest(rest_settings(settings.discord), client, SystemClock()))
        finally:
            await client.aclose()

    try:
        return asyncio.run(run())
    except DeliveryFailed as failed:
        say(f"{failed}. Run: freetheai discord doctor")
        raise typer.Exit(FAILED) from None
