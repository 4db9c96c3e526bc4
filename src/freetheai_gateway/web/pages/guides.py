"""Set-up guides for clients, written as data: a new client is one more entry in `guides.toml`."""

import tomllib
from functools import cache
from pathlib import Path

import msgspec

from freetheai_gateway.web.pages.samples import Sample


class Block(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A step: what to do, and where there is something to paste, the text of it."""

    does: str
    file: str = ""
    """Where the text goes; empty = a terminal, or a field that `does` names."""
    language: str = "Shell"
    text: str = ""


class Guide(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How one client is pointed at this gateway."""

    slug: str
    name: str
    kind: str
    """`SDK`, `coding agent`, `framework`, `chat app` or `terminal`."""
    about: str
    steps: tuple[Block, ...]
    notes: tuple[str, ...] = ()
    """What trips people up."""

    def samples(self) -> list[Sample | None]:
        """Give the text of each step as a sample; `None` for a step without one."""
        return [
            Sample(f"{self.slug}-{number}", step.language, step.text) if step.text else None
            for number, step in enumerate(self.steps, start=1)
        ]


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    guides: tuple[Guide, ...]


@cache
def read_guides() -> dict[str, Guide]:
    """Read all guides, by slug, in the order of the file."""
    text = Path(__file__).with_name("guides.toml").read_text(encoding="utf-8")
    return {guide.slug: guide for guide in msgspec.convert(tomllib.loads(text), _File).guides}
