"""What an upstream says in an HTTP error: read from any of the shapes that are seen, cleaned, classified.

Seen: `{"error":{"message","type","code"}}`, `{"error":"text"}`, `{"detail":…}`, `{"message":…}`, `[{"error":…}]`,
HTML, nothing at all, and `code` as a number. FastAPI and Mistral list what is wrong: `{"detail":[{"loc","msg"}]}`.
OpenRouter puts what the provider behind it said into `error.metadata.raw`. Google's own:
`{"error":{"code":400,"message","status","details":[…]}}`, where `status` is the word and `details` hold the reason and
how long to wait.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto

from freetheai_gateway.jsonc import InvalidJSON, decode_any

MAX_MESSAGE_LENGTH = 500

_CONTEXT = re.compile(
    r"maximum (?:context|prompt|model) length"  # OpenAI, vLLM, OpenRouter, Mistral, xAI
    r"|prompt (?:is )?too long|prompt exceeds max length"  # Anthropic, Z.ai
    r"|input is too long for requested model"  # Bedrock
    r"|context.{0,20}(?:length|window|size).{0,30}exceed"
    r"|exceed.{0,40}context.{0,10}(?:length|window|size)"
    r"|(?:longer|greater) than the (?:model's )?context length"  # SGLang, LM Studio
    r"|(?:input|prompt) token count.{0,40}exceeds"  # Gemini, Copilot
    r"|exceeded model token limit"  # Moonshot
    r"|reduce the length of the (?:messages|prompt|input)"  # Groq
    r"|`inputs` tokens \+ `max_new_tokens` must be"  # Together
    r"|range of input length should be",  # Qwen
    re.IGNORECASE,
)
_SAYS_NOTHING = "provider returned error"
_MAX_LISTED = 5
_POLICY = "content_policy_violation"
_POLICY_CODES = frozenset({_POLICY, "content_filter", "moderation_blocked"})
_ARK_POLICY = ("SensitiveContent", "RiskDetection")
"""What codes of BytePlus and Volcengine hold that are about the content: `InputImageSensitiveContentDetected`."""
_CONTEXT_CODES = frozenset({"context_length_exceeded", "exceed_context_size_error"})
_OWN_FAULTS = frozenset(
    {
        *("api_key_invalid", "api_key_expired", "failed_precondition"),
        *("tool_use_failed", "json_validate_failed"),
    }
)
"""Codes that come with status 400 though it is our key or our account that the upstream complains of, or its own model:
Groq says so where what the model wrote is no call or no JSON, and another try may help."""
_CODE = re.compile(r"[a-z][a-z0-9_]{0,63}")
_SECONDS = re.compile(r"\d{1,6}(?:\.\d{1,9})?(?=s$)")
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
    """An upstream's HTTP error. `message` is cleaned of addresses and secrets and may be empty.

    `retry_delay_s`: how long the body, and not a header, says to wait.
    """

    blame: Blame
    message: str
    code: str | None
    param: str | None
    retry_delay_s: float | None = None


def parse_complaint(status: int, body: bytes) -> Complaint:
    """Read an HTTP error of an upstream; never raises."""
    fields = error_fields(body)
    message = _clean(fields.get("message"))
    details = _details(fields)
    code = (
        _policy_code(fields) or _word(fields.get("code")) or _word(fields.get("type")) or _google_code(fields, details)
    )
    param = fields.get("param")
    return Complaint(
        blame=_blame(status, code, message),
        message=message,
        code=code,
        param=param if isinstance(param, str) and len(param) <= MAX_MESSAGE_LENGTH else None,
        retry_delay_s=next(filter(None, (_seconds(detail.get("retryDelay")) for detail in details)), None),
    )


def _blame(status: int, code: str | None, message: str) -> Blame:
    if status in {400, 413, 422}:
        return _blame_for_request(status, code, message)
    return blame_of(status)


def blame_of(status: int) -> Blame:
    """Say what a status means that is not the request's own fault."""
    if status in {429, 503, 529}:
        return Blame.BUSY
    if status in {408, 504, 522, 524}:
        return Blame.TIMEOUT
    return Blame.PROVIDER


def _blame_for_request(status: int, code: str | None, message: str) -> Blame:
    if code in _CONTEXT_CODES or _CONTEXT.search(message):
        return Blame.CONTEXT_LENGTH
    if code in _POLICY_CODES:
        return Blame.CONTENT_POLICY
    if code in _OWN_FAULTS:
        return Blame.PROVIDER
    return Blame.TOO_LARGE if status == 413 else Blame.REQUEST


def error_fields(body: bytes) -> Mapping[str, object]:
    """Read the fields of an error, wherever they stand in a body; empty where there is none. Never raises."""
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
    return _of_provider(inner) or {**inner, "message": _sentence(inner.get("message", inner.get("detail")))}


def _of_provider(fields: Mapping[str, object]) -> Mapping[str, object]:
    """Give what the provider behind a proxy said, where the proxy itself says nothing; empty where that is not so."""
    message, metadata = fields.get("message"), fields.get("metadata")
    raw = metadata.get("raw") if isinstance(metadata, dict) else None
    if not isinstance(raw, str) or not isinstance(message, str) or message.lower() != _SAYS_NOTHING:
        return {}
    said = error_fields(raw.encode(errors="replace"))
    return said if said.get("message") else {"message": raw}


def _sentence(message: object) -> object:
    """Join a list of what is wrong, each with its place."""
    if isinstance(message, dict):
        message = message.get("detail")
    if not isinstance(message, list):
        return message
    faults = [fault for fault in message[:_MAX_LISTED] if isinstance(fault, dict) and isinstance(fault.get("msg"), str)]
    return "; ".join(f"{_place(fault.get('loc'))}{fault['msg']}" for fault in faults)


def _place(loc: object) -> str:
    steps = [str(step) for step in loc if isinstance(step, str | int)] if isinstance(loc, list) else []
    return ".".join(steps).removeprefix("body.") + ": " if steps else ""


def _clean(message: object) -> str:
    if not isinstance(message, str):
        return ""
    text = "".join(char if char.isprintable() else " " for char in message[: 4 * MAX_MESSAGE_LENGTH])
    text = _SECRET.sub("[removed]", _URL.sub("[address]", text)).strip()
    return text if len(text) <= MAX_MESSAGE_LENGTH else text[: MAX_MESSAGE_LENGTH - 1] + "…"


def _word(value: object) -> str | None:
    return value if isinstance(value, str) and _CODE.fullmatch(value) else None


def _policy_code(fields: Mapping[str, object]) -> str | None:
    """Find a refusal of content where others have a code of their own: in Ark's words, in a list of what is wrong."""
    code, faults = fields.get("code"), fields.get("detail")
    if isinstance(code, str) and any(word in code for word in _ARK_POLICY):
        return _POLICY
    types = [fault.get("type") for fault in faults if isinstance(fault, dict)] if isinstance(faults, list) else []
    return _POLICY if _POLICY in types else None


def _details(fields: Mapping[str, object]) -> list[Mapping[str, object]]:
    details = fields.get("details")
    return [detail for detail in details if isinstance(detail, dict)] if isinstance(details, list) else []


def _google_code(fields: Mapping[str, object], details: list[Mapping[str, object]]) -> str | None:
    """Take the reason, which tells more, or the status: both are words in capitals."""
    words = [detail.get("reason") for detail in details] + [fields.get("status")]
    return next(filter(None, (_word(word.lower()) for word in words if isinstance(word, str))), None)


def _seconds(value: object) -> float | None:
    """Read a duration of Google's JSON form, such as `34.4s`."""
    found = _SECONDS.match(value) if isinstance(value, str) else None
    return float(found[0]) if found else None
