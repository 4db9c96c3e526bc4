"""A terminal in the place of a Discord client: messages and forms as a member sees them, and what they type."""

import asyncio
import os
import sys
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from freetheai_gateway.testing.discord.solve import solve

Object = Mapping[str, Any]
Say = Callable[[str], None]

USE = "Trying the gateway out on my own machine"
_TEXT, _LABEL, _MENU = 10, 18, 3


class Typist(Protocol):
    """Who types."""

    async def type(self, prompt: str, suggestion: str) -> str:
        """Answer a prompt; `suggestion` is what a sensible person would write."""
        ...


class Keyboard:
    """A person at a terminal. What stands after `[…]` is taken for an empty line."""

    def __init__(self) -> None:
        self._reader: asyncio.StreamReader | None = None

    async def type(self, prompt: str, suggestion: str) -> str:
        """Wait for a line. Raises `EOFError` where nobody types any more."""
        sys.stdout.write(f"{prompt} [{suggestion}] " if suggestion else f"{prompt} ")
        sys.stdout.flush()
        line = await (await self._open()).readline()
        if not line:
            raise EOFError
        return line.decode(errors="replace").strip() or suggestion

    async def _open(self) -> asyncio.StreamReader:
        """Read stdin through the loop, so that Ctrl-C ends a wait."""
        if self._reader is None:
            self._reader = asyncio.StreamReader()
            protocol = asyncio.StreamReaderProtocol(self._reader)
            # A descriptor of its own: the pipe's transport makes it non-blocking and closes it.
            own = os.fdopen(os.dup(sys.stdin.fileno()), "rb", buffering=0)
            await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, own)
        return self._reader


class Script:
    """Nobody at a terminal: every suggestion is taken, and shown as if typed."""

    def __init__(self, say: Say) -> None:
        self._say = say

    async def type(self, prompt: str, suggestion: str) -> str:
        """Take the suggestion."""
        self._say(f"{prompt} {suggestion}".rstrip())
        return suggestion


def show_message(message: Object, say: Say) -> None:
    """Show a message that only its reader sees."""
    say("  │ only you can see this")
    for line in str(message.get("content", "")).splitlines():
        if not line.startswith("```"):
            say(f"  │ {line}".rstrip())
    for row in message.get("components", ()):
        say("  │ " + "  ".join(_component(part) for part in row["components"]))


def _component(part: Object) -> str:
    return f"[ {part['placeholder']} ▾ ]" if part["type"] == _MENU else f"[ {part['label']} ]"


async def fill_in(modal: Object, typist: Typist, say: Say) -> dict[str, str]:
    """Show a form and have it filled in; what may be left empty is left so unless something is typed."""
    form = modal["data"]
    say(f"  ┌ {form['title']}")
    question, filled = "", dict[str, str]()
    for part in form["components"]:
        if part["type"] == _TEXT:
            question = str(part["content"])
            say(f"  │ {question}")
        elif part["type"] == _LABEL:
            field = part["component"]
            hint = f" ({part['description']})" if "description" in part else ""
            suggestion = (solve(question) if question else USE) if field["required"] else ""
            question = ""
            typed = await typist.type(f"  │ {part['label']}{hint}:", suggestion)
            if typed:
                filled[str(field["custom_id"])] = typed
    return filled
