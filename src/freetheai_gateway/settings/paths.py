"""Paths of the configuration: relative ones count from the folder of the file."""

from pathlib import Path

from msgspec.structs import replace

from freetheai_gateway.settings.catalogue import Provider
from freetheai_gateway.settings.secret import Secret
from freetheai_gateway.settings.tree import Settings

_SQLITE = "sqlite:///"


def with_absolute_paths(settings: Settings, folder: Path) -> Settings:
    """Make every path of the tree absolute; `folder` must be."""
    return replace(
        settings,
        database=replace(settings.database, url=_absolute_database(settings.database.url, folder)),
        images=replace(settings.images, directory=folder / settings.images.directory),
        journal=replace(settings.journal, directory=folder / settings.journal.directory),
        providers=tuple(_absolute_model(provider, folder) for provider in settings.providers),
    )


def _absolute_database(url: Secret, folder: Path) -> Secret:
    if not url.startswith(_SQLITE):
        return url
    path, mark, options = url.removeprefix(_SQLITE).partition("?")
    return Secret(f"{_SQLITE}{folder / path}{mark}{options}")


def _absolute_model(provider: Provider, folder: Path) -> Provider:
    if provider.model_path is None:
        return provider
    return replace(provider, model_path=folder / provider.model_path)
