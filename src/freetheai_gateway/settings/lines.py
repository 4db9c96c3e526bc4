"""Which line of a TOML file a place of the tree was written on.

`tomllib` gives values without places, so the text is read a second time, headers and keys only. A place that is
not found has the line of what holds it: an inline table's or array's entries have the line of their key.
"""

import re

_HEADER = re.compile(r"\s*(\[\[?)([^\[\]]+)\]\]?\s*(#.*)?")
_KEY = re.compile(r"""\s*((?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*'))*)\s*=""")
_PART = re.compile(r"""[A-Za-z0-9_-]+|"[^"]*"|'[^']*'""")
_QUIET = re.compile(r"""\"{3}.*?(?:\"{3}|$)|'{3}.*?(?:'{3}|$)|"(?:\\.|[^"\\])*"|'[^']*'|\#.*""")
"""What may hold brackets that are none: strings and comments."""
_LONG_QUOTES = ('"""', "'''")
_LAST_STEP = re.compile(r"""(\.?(?:[A-Za-z0-9_-]+|"[^"]*")|\[[0-9]+\])$""")


class Lines:
    """The lines of one document, by dotted path with indexes."""

    def __init__(self, text: str) -> None:
        self._by_place: dict[str, int] = {}
        self._counts: dict[str, int] = {}
        self._table = ""
        self._open_brackets = 0
        self._open_string = ""
        for number, line in enumerate(text.splitlines(), start=1):
            self._take(line, number)

    def find(self, place: str) -> int | None:
        """Find the line of a place, or of the nearest table, array or key around it."""
        while place:
            if place in self._by_place:
                return self._by_place[place]
            shorter = _LAST_STEP.sub("", place)
            if shorter == place:
                return None
            place = shorter
        return None

    def _take(self, line: str, number: int) -> None:
        if self._open_string:
            if self._open_string not in line:
                return
            line, self._open_string = line.partition(self._open_string)[2], ""
        elif not self._open_brackets and (header := _HEADER.fullmatch(line)):
            self._enter(header[2], number, repeated=header[1] == "[[")
            return
        elif not self._open_brackets and (key := _KEY.match(line)):
            self._note(_joined(self._table, key[1]), number)
        self._follow(line)

    def _enter(self, header: str, number: int, *, repeated: bool) -> None:
        parts = _PART.findall(header)
        if not parts:  # no table's name; `tomllib` says what is wrong with it
            return
        *outer, last = parts
        place = ""
        for part in outer:
            place = self._inside(_joined(place, part))
        place = _joined(place, last)
        if repeated:
            self._note(place, number)
            self._counts[place] = self._counts.get(place, 0) + 1
        self._table = self._inside(place)
        self._note(self._table, number)

    def _inside(self, place: str) -> str:
        """Follow an array of tables into its latest entry."""
        count = self._counts.get(place)
        return f"{place}[{count - 1}]" if count else place

    def _note(self, place: str, number: int) -> None:
        self._by_place.setdefault(place, number)

    def _follow(self, line: str) -> None:
        """Keep track of strings and arrays that go on in the next line."""
        for quiet in _QUIET.findall(line):
            quotes = quiet[:3]
            if quotes in _LONG_QUOTES and (len(quiet) < 2 * len(quotes) or not quiet.endswith(quotes)):
                self._open_string = quotes
        rest = _QUIET.sub("", line)
        opened, closed = len(re.findall(r"[\[{]", rest)), len(re.findall(r"[\]}]", rest))
        self._open_brackets = max(0, self._open_brackets + opened - closed)


def _joined(place: str, key: str) -> str:
    parts = [part if part[0] not in "\"'" else _unquoted(part) for part in _PART.findall(key)]
    return ".".join([place, *parts] if place else parts)


def _unquoted(part: str) -> str:
    """Write a quoted key as the places of problems do: bare where it can be."""
    inner = part[1:-1]
    return inner if re.fullmatch(r"[A-Za-z0-9_-]+", inner) else f'"{inner}"'
