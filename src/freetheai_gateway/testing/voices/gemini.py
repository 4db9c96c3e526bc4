"""Gemini `generateContent`. Source: Gemini API reference, "Generating content", "Thinking", "Thought signatures"."""

from freetheai_gateway import jsonc
from freetheai_gateway.testing.voices.answer import Answer, Asked, Ending, Spent, Trouble, pieces
from freetheai_gateway.testing.voices.gemini_rules import complaints
from freetheai_gateway.testing.voices.voice import Failure, Object, Voice

_RPC = "type.googleapis.com/google.rpc."
_ERRORS = {
    Trouble.OVERLOADED: (503, "UNAVAILABLE", "The model is overloaded. Please try again later."),
    Trouble.RATE_LIMITED: (429, "RESOURCE_EXHAUSTED", "You exceeded your current quota. Please retry in 6.2s."),
    Trouble.CONTEXT_TOO_LONG: (
        400,
        "INVALID_ARGUMENT",
        "The input token count (1200001) exceeds the maximum number of tokens allowed (1048576).",
    ),
    Trouble.BAD_KEY: (400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key."),
    Trouble.BAD_REQUEST: (400, "INVALID_ARGUMENT", "Unable to submit request because a text is too long."),
}
_DETAILS: dict[Trouble, Object] = {
    Trouble.RATE_LIMITED: {"@type": f"{_RPC}RetryInfo", "retryDelay": "6.2s"},
    Trouble.BAD_KEY: {"@type": f"{_RPC}ErrorInfo", "reason": "API_KEY_INVALID", "domain": "googleapis.com"},
}


def whole(answer: Answer, asked: Asked) -> bytes:
    """Render a `GenerateContentResponse`."""
    if answer.ending is Ending.BLOCKED:
        return jsonc.encode(_blocked(answer, asked))
    parts = _thoughts(answer) + ([{"text": answer.text}] if answer.text else [])
    return jsonc.encode(_chunk(answer, asked, _signed(parts + _calls(answer), answer), last=True))


def events(answer: Answer, asked: Asked) -> list[bytes]:
    """Render a stream as `alt=sse` gives it: CRLF, every chunk a whole response, calls in one piece."""
    if answer.ending is Ending.BLOCKED:
        return [_event(_blocked(answer, asked))]
    parts: list[list[Object]] = [[{"text": piece, "thought": True}] for piece in pieces(answer.thinking)]
    parts += [[{"text": piece}] for piece in pieces(answer.text)]
    calls = _signed(_calls(answer), answer)
    chunks = [_chunk(answer, asked, some, last=False) for some in parts]
    chunks.append(_chunk(answer, asked, calls or [{"text": ""}], last=True))
    return [_event(chunk) for chunk in chunks]


def failure(trouble: Trouble) -> Failure:
    """Render an HTTP error."""
    status, word, message = _ERRORS[trouble]
    details = [_DETAILS[trouble]] if trouble in _DETAILS else []
    return Failure(status, jsonc.encode(_error(status, word, message, details)))


def broken_event() -> bytes:
    """Render an error in mid-stream."""
    return _event(_error(503, "UNAVAILABLE", "The model is overloaded. Please try again later.", []))


def broken_whole() -> bytes:
    """Render an error as a body."""
    return jsonc.encode(_error(500, "INTERNAL", "An internal error has occurred.", []))


def _error(code: int, status: str, message: str, details: list[Object]) -> Object:
    more: Object = {"details": details} if details else {}
    return {"error": {"code": code, "message": message, "status": status, **more}}


def _event(fields: Object) -> bytes:
    return b"data: " + jsonc.encode(fields) + b"\r\n\r\n"


def _thoughts(answer: Answer) -> list[Object]:
    return [{"text": answer.thinking, "thought": True}] if answer.thinking else []


def _calls(answer: Answer) -> list[Object]:
    return [{"functionCall": {"name": call.name, "args": call.arguments}} for call in answer.calls]


def _signed(parts: list[Object], answer: Answer) -> list[Object]:
    """Put the signature on the first call, or on an empty text at the end."""
    if not answer.signature:
        return parts
    place = next((index for index, part in enumerate(parts) if "functionCall" in part), None)
    if place is None:
        return [*parts, {"text": "", "thoughtSignature": answer.signature}]
    return [*parts[:place], parts[place] | {"thoughtSignature": answer.signature}, *parts[place + 1 :]]


def _chunk(answer: Answer, asked: Asked, parts: list[Object], *, last: bool) -> Object:
    candidate: Object = {"content": {"parts": parts, "role": "model"}, "index": 0}
    if last:
        candidate["finishReason"] = _finish(answer)
    return {"candidates": [candidate], **_tail(answer, asked)}


def _blocked(answer: Answer, asked: Asked) -> Object:
    return {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}, **_tail(answer, asked)}


def _finish(answer: Answer) -> str:
    return {Ending.LENGTH: "MAX_TOKENS", Ending.REFUSED: "SAFETY"}.get(answer.ending, "STOP")


def _tail(answer: Answer, asked: Asked) -> Object:
    return {"usageMetadata": _usage(answer.spent), "modelVersion": asked.model, "responseId": "voice-1"}


def _usage(spent: Spent) -> Object:
    usage: Object = {
        "promptTokenCount": spent.input_tokens,
        "candidatesTokenCount": spent.output_tokens - spent.reasoning_tokens,
        "totalTokenCount": spent.input_tokens + spent.output_tokens,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": spent.input_tokens}],
    }
    if spent.cached_tokens:
        usage["cachedContentTokenCount"] = spent.cached_tokens
    if spent.reasoning_tokens:
        usage["thoughtsTokenCount"] = spent.reasoning_tokens
    return usage


VOICE = Voice(
    "gemini",
    (":generateContent", ":streamGenerateContent"),
    whole,
    events,
    failure,
    broken_event,
    broken_whole,
    complaints,
)
