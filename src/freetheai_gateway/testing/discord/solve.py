"""Answers the desk's questions as a person does who reads them."""

import re
from collections.abc import Callable, Mapping
from typing import Any

_NUMBERS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_PLACES = ("first", "second", "third", "fourth", "fifth")


def question_of(modal: Mapping[str, Any]) -> str:
    """Find the question of a form; empty where it asks none."""
    return next((str(part["content"]) for part in modal["data"]["components"] if part["type"] == 10), "")


def solve(question: str) -> str:
    """Answer a question."""
    for pattern, answer in _ANSWERS:
        found = pattern.search(question)
        if found is not None:
            return answer(found)
    raise AssertionError(f"no answer to {question}")


def _sum(found: re.Match[str]) -> str:
    return str(_NUMBERS.index(found[1]) + _NUMBERS.index(found[2]))


_ANSWERS: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], str]], ...] = (
    (re.compile(r"the (\w+) of these words: (.*)\."), lambda found: found[2].split(", ")[_PLACES.index(found[1])]),
    (
        re.compile(r"“(.*)”, which word comes right after “(\w+)”"),
        lambda found: found[1].split()[found[1].split().index(found[2]) + 1],
    ),
    (re.compile(r"letter is the (\w+) one of “(\w+)”"), lambda found: found[2][_PLACES.index(found[1])]),
    (re.compile(r"holds (\w+) of \w+ and (\w+) of"), _sum),
    (
        re.compile(r"without “(\w+)”: (.*)"),
        lambda found: " ".join(word for word in found[2].split() if word != found[1]),
    ),
)
