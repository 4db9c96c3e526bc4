"""What Discord refuses of answers, messages, forms and commands. Each check raises `Illegal` with the place."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

_BUTTON, _MENU, _TEXT_FIELD, _TEXT, _LABEL, _ROW = 2, 3, 4, 10, 18, 1
_STRING = 3
_COMMAND_NAME = re.compile(r"[-_a-z0-9]{1,32}")
_FLAGS_OF_A_MESSAGE = 4 | 64 | 4096 | 8192 | 32768
_AFTER = {2: {4, 5, 9, 10, 12}, 3: {4, 5, 6, 7, 9, 10, 12}, 4: {8}, 5: {4, 5, 6, 7, 10, 12}}
"""Which answers each type of interaction allows; 6 and 7 after a form only where it came from a message."""

Object = Mapping[str, Any]


class Illegal(AssertionError):
    """Discord would answer 400, code 50035."""


def _need(holds: object, where: str) -> None:
    if not holds:
        raise Illegal(where)


def _text(value: object, where: str, longest: int, shortest: int = 1) -> None:
    _need(isinstance(value, str) and shortest <= len(value) <= longest, f"{where}: {shortest} to {longest} characters")


def check_answer(asked: int, answer: Object, *, from_message: bool) -> None:
    """Check a first answer to an interaction of type `asked`."""
    kind = answer.get("type")
    _need(kind in _AFTER[asked], f"answer of type {kind} to an interaction of type {asked}")
    _need(not (asked == 5 and kind in {6, 7} and not from_message), "an update without a message")
    data = answer.get("data", {})
    if kind in {4, 7}:
        check_message(data)
    elif kind == 5:
        _need(data.get("flags", 0) in {0, 64}, "a deferral may only be ephemeral")
    elif kind == 8:
        _need(len(data["choices"]) <= 25, "choices: at most 25")
        for choice in data["choices"]:
            _text(choice["name"], "choice.name", 100)
            _text(choice["value"], "choice.value", 100)
    elif kind == 9:
        check_modal(data)


def check_message(message: Object) -> None:
    """Check the body of a message or an edit; nobody may be mentioned."""
    _text(message.get("content", ""), "content", 2000)
    _need(message.get("allowed_mentions") == {"parse": []}, "allowed_mentions.parse must be empty")
    _need(not message.get("flags", 0) & ~_FLAGS_OF_A_MESSAGE, "flags")
    rows = message.get("components", [])
    _need(len(rows) <= 5, "components: at most 5 rows")
    ids = [custom_id for row in rows for custom_id in _check_row(row)]
    _need(len(ids) == len(set(ids)), "custom_id: each once")


def _check_row(row: Object) -> list[str]:
    _need(row["type"] == _ROW, "components: rows only")
    parts: Sequence[Object] = row["components"]
    _need(1 <= len(parts) <= 5, "row: 1 to 5 components")
    for part in parts:
        _text(part.get("custom_id"), "custom_id", 100)
        if part["type"] == _BUTTON:
            _text(part["label"], "button.label", 80)
            _need(part["style"] in {1, 2, 3, 4}, "button.style")
        else:
            _need(part["type"] == _MENU and len(parts) == 1, "a menu stands alone in its row")
            _check_options(part["options"])
    return [part["custom_id"] for part in parts]


def _check_options(options: Sequence[Object]) -> None:
    _need(1 <= len(options) <= 25, "options: 1 to 25")
    for option in options:
        _text(option["label"], "option.label", 100)
        _text(option["value"], "option.value", 100)


def check_modal(modal: Object) -> None:
    """Check a form: labels and passages only, at most five."""
    _text(modal.get("custom_id"), "modal.custom_id", 100)
    _text(modal.get("title"), "modal.title", 45)
    parts: Sequence[Object] = modal["components"]
    _need(1 <= len(parts) <= 5, "modal: 1 to 5 components")
    for part in parts:
        if part["type"] == _TEXT:
            _text(part["content"], "text display", 4000)
            continue
        _need(part["type"] == _LABEL, "modal: labels and text only")
        _text(part["label"], "label", 45)
        _text(part.get("description", "-"), "label.description", 100)
        _check_field(part["component"])
    ids = [part["component"]["custom_id"] for part in parts if part["type"] == _LABEL]
    _need(len(ids) == len(set(ids)), "custom_id: each once")


def _check_field(field: Object) -> None:
    _need(field["type"] == _TEXT_FIELD, "field: text input")
    _need("label" not in field and "disabled" not in field, "field: neither label nor disabled inside a label")
    _need(field["style"] in {1, 2}, "field.style")
    _need(0 <= field.get("min_length", 0) <= field["max_length"] <= 4000, "field: lengths")


def check_filled(modal: Object, filled: Mapping[str, str]) -> None:
    """Check what a person puts into a form as Discord's own client does."""
    fields = {part["component"]["custom_id"]: part["component"] for part in modal["components"] if part["type"] == 18}
    _need(set(filled) <= set(fields), "a field that the form does not have")
    for name, field in fields.items():
        value = filled.get(name, "")
        _need(value or not field["required"], f"{name} is required")
        _need(not value or field.get("min_length", 0) <= len(value) <= field["max_length"], f"{name}: length")


def check_commands(commands: Sequence[Object]) -> None:
    """Check the body of a command sync."""
    _need(len(commands) <= 100, "at most 100 commands")
    names = [command["name"] for command in commands]
    _need(len(names) == len(set(names)), "command names: each once")
    for command in commands:
        _check_named(command, 0)


def check_called(commands: Sequence[Object], name: str, options: Sequence[Object]) -> None:
    """Check that Discord's client would let somebody run this: a command that was synced, options that it has."""
    command = next((each for each in commands if each["name"] == name), None)
    if command is None:
        raise Illegal(f"/{name} is not known to Discord")
    _check_given(command.get("options", ()), options, f"/{name}")


def _check_given(declared: Sequence[Object], given: Sequence[Object], where: str) -> None:
    known = {option["name"]: option for option in declared}
    for option in declared:
        is_given = any(each["name"] == option["name"] for each in given)
        _need(is_given or not option.get("required"), f"{where} {option['name']} is required")
    for each in given:
        option = known.get(each["name"], {})
        _need(option.get("type") == each["type"], f"{where} has no option {each['name']} of this type")
        _check_given(option.get("options", ()), each.get("options", ()), where)
        value = each.get("value")
        if isinstance(value, str) and each["type"] == _STRING:
            _text(value, f"{where} {each['name']}", option.get("max_length", 6000), option.get("min_length", 0))
            allowed = [choice["value"] for choice in option.get("choices", ())]
            _need(not allowed or value in allowed, f"{where} {each['name']} is one of its choices")


def _check_named(thing: Object, depth: int) -> None:
    _need(_COMMAND_NAME.fullmatch(thing["name"]), f"name {thing['name']}")
    _text(thing["description"], "description", 100)
    options: Sequence[Object] = thing.get("options", ())
    _need(len(options) <= 25 and depth <= 2, "options: at most 25, two deep")
    required = [bool(option.get("required")) for option in options]
    _need(required == sorted(required, reverse=True), "required options come first")
    for option in options:
        _check_named(option, depth + 1)
