"""One option at a time, as each client dialect writes it, and what becomes of it on every other upstream."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.matrix.limits import UPSTREAMS

Body = dict[str, Any]


@dataclass(frozen=True, slots=True)
class To:
    """It arrives at this place of the upstream's body; `value` is what must stand there."""

    path: str
    value: object


@dataclass(frozen=True, slots=True)
class Dropped:
    """The request goes on without it; `x-gateway-dropped` says `name`."""

    name: str


@dataclass(frozen=True, slots=True)
class Ignored:
    """It is left out without a word, because it changes no answer."""


@dataclass(frozen=True, slots=True)
class Rejected:
    """The request is refused with 400; the message or `param` names it."""

    names: str


Outcome = To | Dropped | Ignored | Rejected


@dataclass(frozen=True, slots=True)
class Option:
    """`label` is how the documentation calls it."""

    client: str
    label: str
    body: Body
    outcomes: Mapping[str, Outcome]


SCHEMA: Body = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
SQL: Body = {"name": "sql", "description": "Runs SQL.", "format": {"type": "text"}}
WAV = "UklGRiQAAABXQVZFZm10IA=="
PDF = "JVBERi0xLjQK"
PDF_URL = f"data:application/pdf;base64,{PDF}"
IMAGE_URL = "https://example.com/cat.png"
JSON_ONLY = "Answer with a single JSON object and nothing else: no explanation, no code fence."

CONFIG = "generationConfig"
CALLING = "toolConfig.functionCallingConfig"
GEMINI_PART, MESSAGE_PART, ITEM_PART = "contents.0.parts.0", "messages.0.content.0", "input.0.content.0"
"""Where the first part of the conversation stands in the upstreams' bodies."""


def said(*parts: Body) -> Body:
    """Make the conversation of these parts, in Chat Completions and Messages."""
    return {"messages": [{"role": "user", "content": list(parts)}]}


def on_each(client: str, label: str, body: Body, *outcomes: Outcome) -> Option:
    """Make a row: what becomes of it on the other upstreams in the order of `UPSTREAMS`; one outcome is that of all."""
    others = [upstream for upstream in UPSTREAMS if upstream != client]
    each = outcomes * len(others) if len(outcomes) == 1 else outcomes
    return Option(client, label, body, dict(zip(others, each, strict=True)))


def dropped_everywhere(client: str, name: str, value: object) -> Option:
    """Make a row of a field that no other dialect has."""
    return on_each(client, f"`{name}`", {name: value}, Dropped(name))


def rejected_everywhere(client: str, name: str, value: object) -> Option:
    """Make a row of a field that is always refused."""
    return on_each(client, f"`{name}`", {name: value}, Rejected(name))
