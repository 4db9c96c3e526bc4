"""Days and instants as people write them."""

import pytest

from freetheai_gateway.services.instants import read_day, read_instant

NOW_S = 1_795_392_000.0 + 43_200.0
"""2026-11-23 12:00:00 UTC."""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("30m", NOW_S + 1_800),
        ("2h", NOW_S + 7_200),
        ("3d", NOW_S + 259_200),
        ("2026-11-23T13:00:00Z", NOW_S + 3_600),
        ("2026-11-23T14:30:00.5+01:30", NOW_S + 3_600.5),
    ],
)
def test_read_instant_understands(text: str, expected: float) -> None:
    """RFC 3339 with any offset, and spans from now."""
    assert read_instant(text, NOW_S) == expected


@pytest.mark.parametrize(
    "text", ["", "soon", "2", "h", "-2h", "2h ", "2w", "2026-12-01", "2026-12-01T00:00:00", "1e3h"]
)
def test_read_instant_refuses_what_is_none(text: str) -> None:
    """An instant without an offset is refused too: nobody knows whose midnight it is."""
    with pytest.raises(ValueError, match="is no instant"):
        read_instant(text, NOW_S)


@pytest.mark.parametrize("text", ["0m", "2026-11-23T12:00:00Z", "2025-01-01T00:00:00Z"])
def test_read_instant_refuses_what_is_not_to_come(text: str) -> None:
    """The message says what time it is."""
    with pytest.raises(ValueError, match=r"is not in the future; it is 2026-11-23T12:00:00Z now"):
        read_instant(text, NOW_S)


@pytest.mark.parametrize(
    ("text", "expected"), [("2026-11-01", "2026-11-01"), ("0d", "2026-11-23"), ("7d", "2026-11-16")]
)
def test_read_day_understands(text: str, expected: str) -> None:
    """A UTC day, or so many days back."""
    assert read_day(text, NOW_S) == expected


@pytest.mark.parametrize("text", ["", "today", "7", "7h", "20261101", "2026-11-1", "2026-02-30", "-1d"])
def test_read_day_refuses_what_is_none(text: str) -> None:
    """Days that no calendar has are refused too."""
    with pytest.raises(ValueError, match="is no day"):
        read_day(text, NOW_S)
