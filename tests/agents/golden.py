"""Keeping what clients send as golden requests, without what is of this machine or not ours to publish.

Prose becomes a note of its length, a grammar a small one of ours; identifiers and folders are replaced, and of the
headers those stay that a gateway may look at.
"""

import re
from collections.abc import Sequence
from pathlib import Path

import msgspec

from freetheai_gateway import jsonc
from tests.agents.tee import Said

FOLDER = Path(__file__).parents[1] / "golden" / "clients"
RECORDED = "openai_chat"
"""The upstream whose conversations are kept: what a client sends does not depend on it but for the calls' ids."""
_PROSE = frozenset({"content", "description", "input", "instructions", "output", "text"})
"""Keys under which clients put prompts, descriptions and results."""
_SHORT = 40
"""Texts up to here say nothing that is anyone's: words, names, the task of the test."""
_ATTRIBUTION = "x-anthropic-billing-header:"
"""How a text begins that is no prose but a header in disguise."""
_GRAMMAR = "start: line+\nline: /.+/ LF\n%import common.LF"
_KEPT_HEADERS = re.compile(r"anthropic-.*|content-type|accept|user-agent|x-app|originator|x-codex-beta-features")
_REPLACED = (
    (
        re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"),
        "00000000-0000-4000-8000-000000000000",
    ),
    (re.compile(r"\b[0-9a-f]{32,64}\b"), "0" * 32),
    (re.compile(r"\b1[0-9]{12}\b"), "1700000000000"),
    (re.compile(r"(?<=_)[0-9A-HJKMNP-TV-Z]{26}(?=_)"), "0" * 26),
    (re.compile(r"(?<=<current_date>)[0-9-]+"), "2026-01-01"),
    (re.compile(r"(?<=OS Version: ).*"), "Linux"),
    (re.compile(r"\([^()]*x86_64[^()]*\) \w+"), "(Linux)"),
    (re.compile(r"(Chunk ID: )\w+"), r"\g<1>000000"),
    (re.compile(r"(Wall time:? )[0-9.]+"), r"\g<1>0.0"),
)


def keep(name: str, heard: Sequence[Said], folders: Sequence[Path]) -> None:
    """Write the last request of a conversation, which holds the ones before it."""
    said = next(said for said in reversed(heard) if said.method == "POST")
    names = {str(folder): f"/home/user/{folder.name}" for folder in folders}
    request = {
        "target": said.target,
        "headers": {name: _replaced(value) for name, value in said.headers if _KEPT_HEADERS.fullmatch(name)},
        "body": _cleaned(jsonc.decode_any(said.body), names),
    }
    FOLDER.mkdir(parents=True, exist_ok=True)
    (FOLDER / f"{name}.json").write_bytes(msgspec.json.format(jsonc.encode(request), indent=1) + b"\n")


def _cleaned(value: object, names: dict[str, str], key: str = "") -> object:
    if isinstance(value, dict):
        return {name: _cleaned(inner, names, name) for name, inner in value.items()}
    if isinstance(value, list):
        return [_cleaned(inner, names, key) for inner in value]
    return _clean(value, names, key) if isinstance(value, str) else value


def _clean(text: str, names: dict[str, str], key: str) -> str:
    if key == "definition":
        return _GRAMMAR
    if key in _PROSE and len(text) > _SHORT and not text.startswith(_ATTRIBUTION):
        return f"A text of {len(text)} characters."
    for folder, name in names.items():
        text = text.replace(folder, name)
    return _replaced(text)


def _replaced(text: str) -> str:
    for pattern, replacement in _REPLACED:
        text = pattern.sub(replacement, text)
    return text
