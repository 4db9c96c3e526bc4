"""OpenAI Chat Completions. Source: OpenAI API reference, "Chat Completions" (object, streaming, errors)."""

from collections.abc import Iterator

from freetheai_gateway import jsonc
from freetheai_gateway.testing.completions import CREATED, error_body
from freetheai_gateway.testing.voices.answer import Answer, Asked, Ending, Spent, Trouble, halves, pieces
from freetheai_gateway.testing.voices.chat_rules import complaints
from freetheai_gateway.testing.voices.voice import Failure, Object, Voice, decode_object

ID = "chatcmpl-voice"


def whole(answer: Answer, asked: Asked) -> bytes:
    """Render a `chat.completion`."""
    refused = answer.ending is Ending.REFUSED
    message: Object = {
        "role": "assistant",
        "content": None if refused else answer.text or None,
        "refusal": answer.text if refused else None,
        "annotations": [],
    }
    if answer.thinking:
        message["reasoning_content"] = answer.thinking
    if answer.calls:
        message["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.json}}
            for call in answer.calls
        ]
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": _finish(answer)}
    return jsonc.encode(_frame(asked, "chat.completion", [choice]) | {"usage": _usage(answer.spent)})


def events(answer: Answer, asked: Asked) -> list[bytes]:
    """Render the chunks; usage only where `stream_options.include_usage` asks for it, `[DONE]` last."""
    deltas = list(_deltas(answer))
    choices: list[Object] = [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": None} for delta in deltas]
    choices.append({"index": 0, "delta": {}, "logprobs": None, "finish_reason": _finish(answer)})
    chunks = [_frame(asked, "chat.completion.chunk", [choice]) for choice in choices]
    if _wants_usage(asked.body):
        for chunk in chunks:
            chunk["usage"] = None
        chunks.append(_frame(asked, "chat.completion.chunk", []) | {"usage": _usage(answer.spent)})
    return [*(_event(jsonc.encode(chunk)) for chunk in chunks), _event(b"[DONE]")]


def failure(trouble: Trouble) -> Failure:
    """Render an HTTP error."""
    match trouble:
        case Trouble.OVERLOADED:
            return Failure(503, error_body("The engine is currently overloaded.", type_="server_error"))
        case Trouble.RATE_LIMITED:
            body = error_body("Rate limit reached for requests.", type_="requests", code="rate_limit_exceeded")
            return Failure(429, body, (("retry-after", "7"),))
        case Trouble.CONTEXT_TOO_LONG:
            text = "This model's maximum context length is 8192 tokens. However, your messages resulted in 9001 tokens."
            return Failure(400, error_body(text, code="context_length_exceeded", param="messages"))
        case Trouble.BAD_KEY:
            text = "Incorrect API key provided: sk-voice****. You can find your API key in your account."
            return Failure(401, error_body(text, code="invalid_api_key"))
        case Trouble.BAD_REQUEST:
            text = "Invalid 'messages[0].content': string too long."
            return Failure(400, error_body(text, code="string_above_max_length", param="messages[0].content"))


def broken_event() -> bytes:
    """Render an error in mid-stream."""
    return _event(broken_whole())


def broken_whole() -> bytes:
    """Render an error as a body."""
    return error_body("The server had an error while processing your request.", type_="server_error")


def _event(data: bytes) -> bytes:
    return b"data: " + data + b"\n\n"


def _deltas(answer: Answer) -> Iterator[Object]:
    yield {"role": "assistant", "content": None if answer.calls else "", "refusal": None}
    for piece in pieces(answer.thinking):
        yield {"reasoning_content": piece}
    field = "refusal" if answer.ending is Ending.REFUSED else "content"
    for piece in pieces(answer.text):
        yield {field: piece}
    for index, call in enumerate(answer.calls):
        function = {"name": call.name, "arguments": ""}
        yield {"tool_calls": [{"index": index, "id": call.id, "type": "function", "function": function}]}
        for half in halves(call.json):
            yield {"tool_calls": [{"index": index, "function": {"arguments": half}}]}


def _finish(answer: Answer) -> str:
    if answer.ending is Ending.LENGTH:
        return "length"
    if answer.ending is Ending.BLOCKED:
        return "content_filter"
    return "tool_calls" if answer.calls else "stop"


def _usage(spent: Spent) -> Object:
    return {
        "prompt_tokens": spent.input_tokens,
        "completion_tokens": spent.output_tokens,
        "total_tokens": spent.input_tokens + spent.output_tokens,
        "prompt_tokens_details": {
            "cached_tokens": spent.cached_tokens,
            "cache_write_tokens": spent.cache_written_tokens,
            "audio_tokens": 0,
        },
        "completion_tokens_details": {
            "reasoning_tokens": spent.reasoning_tokens,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def _frame(asked: Asked, kind: str, choices: list[Object]) -> Object:
    return {
        "id": ID,
        "object": kind,
        "created": CREATED,
        "model": asked.model,
        "service_tier": "default",
        "system_fingerprint": "fp_voice",
        "choices": choices,
    }


def _wants_usage(body: bytes) -> bool:
    options = decode_object(body).get("stream_options")
    return isinstance(options, dict) and options.get("include_usage") is True


VOICE = Voice("openai_chat", ("/chat/completions",), whole, events, failure, broken_event, broken_whole, complaints)
