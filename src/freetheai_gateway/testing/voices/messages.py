"""Anthropic Messages. Source: Anthropic API reference, "Messages", "Streaming messages", "Errors"."""

from collections.abc import Iterator

from freetheai_gateway import jsonc
from freetheai_gateway.testing.voices.answer import Answer, Asked, Ending, Spent, Trouble, halves, pieces
from freetheai_gateway.testing.voices.messages_rules import complaints
from freetheai_gateway.testing.voices.voice import Failure, Object, Voice

ID = "msg_01Voice"
_PING = b'event: ping\ndata: {"type": "ping"}\n\n'
_ERRORS = {
    Trouble.OVERLOADED: (529, "overloaded_error", "Overloaded"),
    Trouble.RATE_LIMITED: (429, "rate_limit_error", "This request would exceed your organization's rate limit."),
    Trouble.CONTEXT_TOO_LONG: (400, "invalid_request_error", "prompt is too long: 208310 tokens > 200000 maximum"),
    Trouble.BAD_KEY: (401, "authentication_error", "invalid x-api-key"),
    Trouble.BAD_REQUEST: (400, "invalid_request_error", "messages.0.content: string too long"),
}


def whole(answer: Answer, asked: Asked) -> bytes:
    """Render a `message`."""
    content: list[Object] = []
    if answer.thinking or answer.signature:
        content.append({"type": "thinking", "thinking": answer.thinking, "signature": answer.signature})
    if answer.text:
        content.append({"type": "text", "text": answer.text})
    content += [
        {"type": "tool_use", "id": call.id, "name": call.name, "input": call.arguments} for call in answer.calls
    ]
    usage = _input_usage(answer.spent) | _output_usage(answer.spent)
    return jsonc.encode(_message(asked, content) | _stop(answer) | {"usage": usage})


def events(answer: Answer, asked: Asked) -> list[bytes]:
    """Render the events, a ping among them."""
    start = _message(asked, []) | {
        "stop_reason": None,
        "stop_sequence": None,
        "usage": _input_usage(answer.spent) | {"output_tokens": 1},
    }
    blocks = [block for index, parts in enumerate(_blocks(answer)) for block in _block(index, parts)]
    usage = _input_usage(answer.spent) | _output_usage(answer.spent)
    return [
        _event({"type": "message_start", "message": start}),
        *blocks[:1],
        _PING,
        *blocks[1:],
        _event({"type": "message_delta", "delta": _stop(answer), "usage": usage}),
        _event({"type": "message_stop"}),
    ]


def failure(trouble: Trouble) -> Failure:
    """Render an HTTP error."""
    status, kind, message = _ERRORS[trouble]
    headers = (("retry-after", "7"),) if trouble is Trouble.RATE_LIMITED else ()
    return Failure(status, jsonc.encode(_error(kind, message)), headers)


def broken_event() -> bytes:
    """Render an error in mid-stream."""
    return _event(_error("overloaded_error", "Overloaded"))


def broken_whole() -> bytes:
    """Render an error as a body."""
    return jsonc.encode(_error("api_error", "Internal server error"))


def _error(kind: str, message: str) -> Object:
    return {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_011Voice"}


def _event(fields: Object) -> bytes:
    return b"event: " + str(fields["type"]).encode() + b"\ndata: " + jsonc.encode(fields) + b"\n\n"


def _message(asked: Asked, content: list[Object]) -> Object:
    return {"id": ID, "type": "message", "role": "assistant", "model": asked.model, "content": content}


def _blocks(answer: Answer) -> Iterator[tuple[Object, list[Object]]]:
    """Give each block as it starts, and its deltas."""
    if answer.thinking or answer.signature:
        deltas: list[Object] = [{"type": "thinking_delta", "thinking": piece} for piece in pieces(answer.thinking)]
        signed: list[Object] = [{"type": "signature_delta", "signature": answer.signature}] if answer.signature else []
        yield {"type": "thinking", "thinking": "", "signature": ""}, deltas + signed
    if answer.text:
        yield {"type": "text", "text": ""}, [{"type": "text_delta", "text": piece} for piece in pieces(answer.text)]
    for call in answer.calls:
        parts = ["", *halves(call.json)] if call.arguments else [""]
        yield (
            {"type": "tool_use", "id": call.id, "name": call.name, "input": {}},
            [{"type": "input_json_delta", "partial_json": part} for part in parts],
        )


def _block(index: int, parts: tuple[Object, list[Object]]) -> Iterator[bytes]:
    start, deltas = parts
    yield _event({"type": "content_block_start", "index": index, "content_block": start})
    for delta in deltas:
        yield _event({"type": "content_block_delta", "index": index, "delta": delta})
    yield _event({"type": "content_block_stop", "index": index})


def _stop(answer: Answer) -> Object:
    match answer.ending:
        case Ending.LENGTH:
            return {"stop_reason": "max_tokens", "stop_sequence": None}
        case Ending.STOP_SEQUENCE:
            return {"stop_reason": "stop_sequence", "stop_sequence": answer.stop_sequence}
        case Ending.REFUSED | Ending.BLOCKED:
            details = {"type": "refusal", "category": None, "explanation": None}
            return {"stop_reason": "refusal", "stop_sequence": None, "stop_details": details}
        case _:
            return {"stop_reason": "tool_use" if answer.calls else "end_turn", "stop_sequence": None}


def _input_usage(spent: Spent) -> Object:
    return {
        "input_tokens": spent.input_tokens - spent.cached_tokens - spent.cache_written_tokens,
        "cache_creation_input_tokens": spent.cache_written_tokens,
        "cache_read_input_tokens": spent.cached_tokens,
    }


def _output_usage(spent: Spent) -> Object:
    thinking = {"output_tokens_details": {"thinking_tokens": spent.reasoning_tokens}} if spent.reasoning_tokens else {}
    return {"output_tokens": spent.output_tokens, **thinking}


VOICE = Voice("anthropic_messages", ("/v1/messages",), whole, events, failure, broken_event, broken_whole, complaints)
