"""Whether a JSON text that arrives in pieces is complete so far, without keeping it."""

import re

_IN_TEXT = re.compile(r'["\\]')
_OUTSIDE = re.compile(r'["{}\[\]]')


class JsonEnd:
    """Follows brackets and strings; constant memory."""

    __slots__ = ("_depth", "_escaped", "_in_text", "_seen")

    def __init__(self) -> None:
        self._depth = 0
        self._in_text = False
        self._escaped = False
        self._seen = False

    @property
    def reached(self) -> bool:
        """Whether an object or array was begun and all that was begun is closed."""
        return self._seen and self._depth <= 0 and not self._in_text

    @property
    def begun(self) -> bool:
        """Whether anything came that could begin a JSON text."""
        return self._seen or self._in_text

    def feed(self, text: str) -> None:
        """Take more of the text."""
        place = 0
        if self._escaped and text:
            place, self._escaped = 1, False
        while mark := (_IN_TEXT if self._in_text else _OUTSIDE).search(text, place):
            place = mark.end()
            char = mark.group()
            if char == '"':
                self._in_text = not self._in_text
            elif char == "\\":
                self._escaped = place >= len(text)
                place += 1
            else:
                self._seen = True
                self._depth += 1 if char in "{[" else -1
