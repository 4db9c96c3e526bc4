"""Days and instants as people write them. The caller brings the time; all days are UTC days."""

import re
from datetime import date, datetime

from freetheai_gateway.clock import rfc3339, utc_day

_UNITS_S = {"m": 60, "h": 3_600, "d": 86_400}
_SPAN = re.compile(r"(?P<count>[0-9]{1,5})(?P<unit>[mhd])")
_DAYS = re.compile(r"(?P<count>[0-9]{1,5})d")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def read_instant(text: str, now_s: float) -> float:
    """Read an instant to come: RFC 3339 with an offset, or a span from now (`30m`, `2h`, `3d`).

    Returns wall-clock seconds. Raises `ValueError` with a sentence for the operator.
    """
    span = _SPAN.fullmatch(text)
    instant_s = now_s + int(span["count"]) * _UNITS_S[span["unit"]] if span else _timestamp(text)
    if instant_s <= now_s:
        raise ValueError(f'"{text}" is not in the future; it is {rfc3339(now_s)} now')
    return instant_s


def _timestamp(text: str) -> float:
    try:
        read = datetime.fromisoformat(text)
    except ValueError:
        read = None
    if read is None or read.tzinfo is None:
        raise ValueError(f'"{text}" is no instant; write one such as 2026-12-31T18:00:00Z, or 30m, 2h, 3d from now')
    return read.timestamp()


def read_day(text: str, now_s: float) -> str:
    """Read a UTC day: `2026-11-23`, or so many days back (`7d`).

    Returns it as `2026-11-23`. Raises `ValueError` with a sentence for the operator.
    """
    back = _DAYS.fullmatch(text)
    try:
        if back:
            return utc_day(now_s - int(back["count"]) * _UNITS_S["d"])
        if _DAY.fullmatch(text):
            return date.fromisoformat(text).isoformat()
    except ValueError:
        pass  # a day that no calendar has, such as 2026-02-30: said below
    raise ValueError(f'"{text}" is no day; write one such as 2026-11-23, or 7d for the last seven days')
