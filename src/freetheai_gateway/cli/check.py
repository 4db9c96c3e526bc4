"""`freetheai check`: judge the configuration."""

from typing import TYPE_CHECKING

import typer

from freetheai_gateway.cli.failures import WRONG
from freetheai_gateway.cli.options import ConfigOption, JsonOption
from freetheai_gateway.cli.output import print_json, print_text, say
from freetheai_gateway.cli.session import load_config

if TYPE_CHECKING:
    from collections.abc import Iterable

    from freetheai_gateway.settings import Loaded, Problem, SettingsInvalid

BUILT_IN = "built-in configuration"
"""Stands for the file's name where there is no file."""


def check(*, as_json: JsonOption = False, config: ConfigOption = None) -> None:
    """Name every mistake in the configuration, or say what was read."""
    from freetheai_gateway.settings import SettingsInvalid

    try:
        loaded = load_config(config)
    except SettingsInvalid as invalid:
        _report_problems(invalid, as_json=as_json)
        raise typer.Exit(WRONG) from None
    _report_success(loaded, as_json=as_json)


def _report_problems(invalid: "SettingsInvalid", *, as_json: bool) -> None:
    if as_json:
        print_json({"ok": False, "problems": _rows(invalid.problems), "warnings": []})
    else:
        say(str(invalid))


def _report_success(loaded: "Loaded", *, as_json: bool) -> None:
    from freetheai_gateway.settings import problems_as_text

    if as_json:
        print_json({"ok": True, "problems": [], "warnings": _rows(loaded.warnings)})
        return
    name = loaded.source.name if loaded.source is not None else BUILT_IN
    if loaded.warnings:
        say(problems_as_text(loaded.warnings, f"{name}: warning"))
    models, providers = loaded.settings.models, loaded.settings.providers
    ready = sum(provider.is_set_up for provider in providers)
    print_text(
        f"{name}: ok, {_count(len(models), 'model')}, {_count(len(providers), 'provider')}, {ready} of them set up"
    )


def _rows(problems: "Iterable[Problem]") -> list[dict[str, str]]:
    return [{"where": problem.where, "message": problem.message, "hint": problem.hint} for problem in problems]


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"
