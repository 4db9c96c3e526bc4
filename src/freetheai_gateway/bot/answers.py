"""What is answered: messages, forms and choices within Discord's limits, never mentioning anybody."""

import re
from collections.abc import Iterable, Sequence

Message = dict[str, object]

LONGEST_CONTENT = 2000
MOST_CHOICES = 25
LONGEST_CHOICE = 100
_EPHEMERAL = 64
_SUPPRESS_EMBEDS = 4
_MARKS = re.compile(r"([\\*_~`|>#\[\]()@<:\-])")
_INVISIBLE = re.compile(r"[\x00-\x1f\x7f\u200b-\u200f\u2028-\u202e\u2066-\u2069]")

PONG: Message = {"type": 1}


def plain(text: str, longest: int = 100) -> str:
    """Render foreign text so that it stands as it is: no markdown, no mention, no masked link, one line."""
    one_line = _INVISIBLE.sub(" ", text)
    short = one_line if len(one_line) <= longest else one_line[: longest - 1] + "…"
    return _MARKS.sub(r"\\\1", short)


def content(text: str, rows: Sequence[Message] = (), *, shows_embeds: bool = False) -> Message:
    """Make a message's body for an answer or an edit."""
    shown = text if len(text) <= LONGEST_CONTENT else text[: LONGEST_CONTENT - 1] + "…"
    flags = 0 if shows_embeds else _SUPPRESS_EMBEDS
    return {"content": shown, "flags": flags, "allowed_mentions": {"parse": []}, "components": list(rows)}


def say(text: str, rows: Sequence[Message] = ()) -> Message:
    """Answer with a message that only the member sees."""
    return {"type": 4, "data": content(text, rows) | {"flags": _EPHEMERAL | _SUPPRESS_EMBEDS}}


def show(text: str, rows: Sequence[Message] = ()) -> Message:
    """Answer with a message that everybody in the channel sees."""
    return {"type": 4, "data": content(text, rows)}


def defer(*, is_public: bool = False) -> Message:
    """Answer that an answer follows; who will see it is decided here and now."""
    return {"type": 5, "data": {"flags": 0 if is_public else _EPHEMERAL}}


def replace(text: str, rows: Sequence[Message] = ()) -> Message:
    """Put other words into the message whose component was used."""
    return {"type": 7, "data": content(text, rows)}


def choices(names: Iterable[str]) -> Message:
    """Answer an autocomplete; names that are too long to be a value are left out."""
    fitting = [name for name in names if 0 < len(name) <= LONGEST_CHOICE][:MOST_CHOICES]
    return {"type": 8, "data": {"choices": [{"name": name, "value": name} for name in fitting]}}


def modal(custom_id: str, title: str, components: Sequence[Message]) -> Message:
    """Answer with a form."""
    return {"type": 9, "data": {"custom_id": custom_id, "title": title, "components": list(components)}}


def text_display(text: str) -> Message:
    """Make a passage of a form that is only read."""
    return {"type": 10, "content": text}


def text_field(
    custom_id: str, label: str, *, description: str = "", least: int = 0, most: int = 100, long: bool = False
) -> Message:
    """Make a labelled text field; required where `least` is over 0."""
    field: Message = {
        "type": 4,
        "custom_id": custom_id,
        "style": 2 if long else 1,
        "max_length": most,
        "required": least > 0,
    }
    if least:
        field["min_length"] = least
    described: Message = {"description": description} if description else {}
    return {"type": 18, "label": label, **described, "component": field}


def row(*components: Message) -> Message:
    """Make a row of buttons or of one menu."""
    return {"type": 1, "components": list(components)}


def button(custom_id: str, label: str, style: int = 2) -> Message:
    """Make a button."""
    return {"type": 2, "style": style, "label": label, "custom_id": custom_id}


def menu(custom_id: str, placeholder: str, options: Iterable[tuple[str, str]]) -> Message:
    """Make a menu of labels by value."""
    return {
        "type": 3,
        "custom_id": custom_id,
        "placeholder": placeholder,
        "options": [{"value": value, "label": label} for value, label in options],
    }
