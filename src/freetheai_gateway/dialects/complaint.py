"""What an upstream says in an HTTP error: read from any of the shapes that are seen, cleaned, classified.

Seen: `{"error":{"message","type","code"}}`, `{"error":"text"}`, `{"detail":…}`, `{"message":…}`, `[{"error":…}]`,
HTML, nothing at all, and `code` as a number.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto

from freetheai_gateway.jsonc import InvalidJSON, decode_any

MAX_MESSAGE_LENGTH = 500

_CONTEXT = re.compile(
    r"maximum context length|prompt is too long|context.{0,20}(length|window|size).{0,30}exceed"
    r"|exceed.{0,40}context.{0,10}(length|window|size)|input token count.{0,40}exceeds",
    re.IGNORECASE,
)
_POLICY_CODES = frozenset({"content_policy_violation", "content_filter", "moderation_blocked"})
_CONTEXT_CODES = frozenset({"context_length_exceeded", "exceed_context_size_error"})
_CODE = re.compile(r"[a-z][a-z0-9_]{0,63}")
_URL = re.compile(r"(?:https?|wss?)://\S+|\b(?:\d{1,3}\.){3}\d{1,3}(?::\d+)?\b")
_SECRET = re.compile(r"\b(?:sk|pk|rk|key|fta|org|proj|req|gsk|xai|AIza)[-_*][\w*.-]{4,}|[\w+/=*-]{32,}")


class Blame(Enum):
    """What a failure status means for the caller."""

    CONTEXT_LENGTH = auto()
    CONTENT_POLICY = auto()
    REQUEST = auto()
    """The client's own fault; passed on."""
    TOO_LARGE = auto()
    BUSY = auto()
    """Rate limit or overload of the upstream."""
    TIMEOUT = auto()
    PROVIDER = auto()
    """Anything else, our credentials included: never the client's 401."""


@dataclass(frozen=True, slots=True)
class Complaint:
    """An upstream's HTTP error. `message` is cleaned of addresses and secrets and may be empty."""

    blame: Blame
    message: str
    code: str | None
    param: str | None


def parse_complaint(status: int, body: bytes) -> Complaint:
    """Read an HTTP error of an upstream; never raises."""
    fields = _error_fields(body)
    message = _clean(fields.get("message"))
    code = _word(fields.get("code")) or _word(fields.get("type"))
    param = fields.get("param")
    return Complaint(
        blame=_blame(status, code, message),
        message=message,
        code=code,
        param=param if isinstance(param, str) and len(param) <= MAX_MESSAGE_LENGTH else None,
    )


def _blame(status: int, code: str | None, message: str) -> Blame:
    if status in {400, 413, 422}:
        if code in _CONTEXT_CODES or _CONTEXT.search(message):
            return Blame.CONTEXT_LENGTH
        if code in _POLICY_CODES:
            return Blame.CONTENT_POLICY
        return Blame.TOO_LARGE if status == 413 else Blame.REQUEST
    if status in {429, 503, 529}:
        return Blame.BUSY
    if status in {408, 504, 522, 524}:
        return Blame.TIMEOUT
    return Blame.PROVIDER


def _error_fields(body: bytes) -> Mapping[str, object]:
    try:
        value = decode_any(body)
    except InvalidJSON:
        return {}
    if isinstance(value, list) and value:
        value = value[0]
    if not isinstance(value, dict):
        return {}
    inner = value.get("error", value)
    if isinstance(inner, str):
        return {"message": inner}
    if not isinstance(inner, dict):
        return {}
    return inner if "message" in inner else {**inner, "message": inner.get("detail")}


def _clean(message: object) -> str:
    if not isinstance(message, str):
        return ""
    text = "".join(char if char.isprintable() else " " for char in message[: 4 * MAX_MESSAGE_LENGTH])
    text = _SECRET.sub("[removed]", _URL.sub("[address]", text)).strip()
    return text if len(text) <= MAX_MESSAGE_LENGTH else text[: MAX_MESSAGE_LENGTH - 1] + "…"


def _word(value: object) -> str | None:
    return value if isinstance(value, str) and _CODE.fullmatch(value) else None
