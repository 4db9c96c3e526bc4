"""Strings that must not be printed by accident."""


class Secret(str):
    """A key, a token, or an address that may hold one: a string in every use but `repr`, which hides it."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "Secret(…)"
