"""Strings that point elsewhere: `env:NAME` and `file:PATH`."""

from collections.abc import Mapping
from pathlib import Path

from freetheai_gateway.settings.marks import BadValue
from freetheai_gateway.settings.problems import quoted

ENV = "env:"
FILE = "file:"
LARGEST_FILE_BYTES = 65_536


class Missing(Exception):
    """What a string points to is not there; the text names it."""


def resolve(text: str, environ: Mapping[str, str], folder: Path) -> str:
    """Return what a string points to, or the string itself.

    A variable that is set but empty counts as missing. Of a file one trailing line break is left out. Raises
    `Missing` where there is no such variable or file, `BadValue` where a file can't be read.
    """
    if text.startswith(ENV):
        return _variable(text.removeprefix(ENV), environ)
    if text.startswith(FILE):
        return _content(text.removeprefix(FILE), folder)
    return text


def _variable(variable: str, environ: Mapping[str, str]) -> str:
    if not variable:
        raise BadValue("names no environment variable", 'write "env:NAME"')
    value = environ.get(variable, "")
    if not value:
        raise Missing(f"environment variable {quoted(variable)} is not set")
    return value


def _content(path: str, folder: Path) -> str:
    if not path:
        raise BadValue("names no file", 'write "file:PATH"')
    try:
        with (folder / path).open("rb") as file:
            content = file.read(LARGEST_FILE_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError):
        raise Missing(f"there is no file {quoted(path)}") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "no usable path"
        raise BadValue(f"the file {quoted(path)} can't be read: {reason}") from None
    if len(content) > LARGEST_FILE_BYTES:
        raise BadValue(f"the file {quoted(path)} is larger than {LARGEST_FILE_BYTES} bytes")
    try:
        text = content.decode()
    except UnicodeDecodeError:
        raise BadValue(f"the file {quoted(path)} is not UTF-8") from None
    return text.removesuffix("\n").removesuffix("\r")
