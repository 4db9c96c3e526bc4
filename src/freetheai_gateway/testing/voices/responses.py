"""OpenAI Responses. Source: OpenAI API reference, "Responses" (the response object, streaming events, errors)."""

from collections.abc import Iterator

from freetheai_gateway import jsonc
from freetheai_gateway.testing.completions import CREATED
from freetheai_gateway.testing.voices import chat
from freetheai_gateway.testing.voices.answer import Answer, Asked, Call, Ending, Spent, halves, pieces
from freetheai_gateway.testing.voices.responses_rules import complaints
from freetheai_gateway.testing.voices.voice import Object, Voice, decode_object

ID = "resp_voice"
_ECHOED = (
    "instructions",
    "metadata",
    "max_output_tokens",
    "parallel_tool_calls",
    "temperature",
    "tool_choice",
    "tools",
)
_ECHO_DEFAULTS: Object = {
    "instructions": None,
    "metadata": {},
    "max_output_tokens": None,
    "parallel_tool_calls": True,
    "temperature": 1.0,
    "tool_choice": "auto",
    "tools": [],
}


def whole(answer: Answer, asked: Asked) -> bytes:
    """Render a `response`."""
    items = [_done(number, item, answer) for number, item in enumerate(_items(answer))]
    return jsonc.encode(_response(answer, asked, items))


def events(answer: Answer, asked: Asked) -> list[bytes]:
    """Render the events in their documented order, numbered."""
    opening = _running(asked)
    items = _items(answer)
    done = [_done(number, item, answer) for number, item in enumerate(items)]
    final = _response(answer, asked, done)
    fields: list[Object] = [
        {"type": "response.created", "response": opening},
        {"type": "response.in_progress", "response": opening},
        *(event for number, item in enumerate(items) for event in _item_events(number, item, done[number])),
        {"type": f"response.{final['status']}", "response": final},
    ]
    return [_event(event | {"sequence_number": number}) for number, event in enumerate(fields)]


def broken_event() -> bytes:
    """Render a failure in mid-stream."""
    failed = _broken_response()
    return _event({"type": "response.failed", "response": failed, "sequence_number": 99})


def broken_whole() -> bytes:
    """Render a response that failed."""
    return jsonc.encode(_broken_response())


def _broken_response() -> Object:
    error = {"code": "server_error", "message": "The model failed to generate a response."}
    return _running(Asked("voice", b"{}")) | {"status": "failed", "error": error}


def _event(fields: Object) -> bytes:
    return b"event: " + str(fields["type"]).encode() + b"\ndata: " + jsonc.encode(fields) + b"\n\n"


def _items(answer: Answer) -> list[str | Call]:
    """Name the items of an answer in their order; a call stands for itself."""
    names: list[str | Call] = []
    if answer.thinking or answer.signature:
        names.append("reasoning")
    if answer.text:
        names.append("message")
    return [*names, *answer.calls]


def _done(number: int, item: str | Call, answer: Answer) -> Object:
    """Render a finished item."""
    if isinstance(item, Call):
        call = {"call_id": item.id, "name": item.name, "arguments": item.json, "status": "completed"}
        return {"type": "function_call", "id": f"fc_{number}", **call}
    if item == "reasoning":
        summary = [{"type": "summary_text", "text": answer.thinking}] if answer.thinking else []
        return {
            "type": "reasoning",
            "id": f"rs_{number}",
            "summary": summary,
            "encrypted_content": answer.signature or None,
        }
    status = "incomplete" if answer.ending in {Ending.LENGTH, Ending.BLOCKED} else "completed"
    part = _part(answer, answer.text)
    return {"type": "message", "id": f"msg_{number}", "role": "assistant", "status": status, "content": [part]}


def _part(answer: Answer, text: str) -> Object:
    if answer.ending is Ending.REFUSED:
        return {"type": "refusal", "refusal": text}
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def _item_events(number: int, item: str | Call, done: Object) -> Iterator[Object]:
    where: Object = {"output_index": number}
    begun = done | ({"status": "in_progress"} if "status" in done else {})
    if isinstance(item, Call):
        begun["arguments"] = ""
    elif item == "reasoning":
        begun |= {"summary": [], "encrypted_content": None}
    else:
        begun["content"] = []
    yield {"type": "response.output_item.added", **where, "item": begun}
    inner = where | {"item_id": done["id"]}
    if isinstance(item, Call):
        for half in halves(item.json):
            yield {"type": "response.function_call_arguments.delta", **inner, "delta": half}
        yield {
            "type": "response.function_call_arguments.done",
            **inner,
            "name": item.name,
            "arguments": item.json,
        }
    elif item == "reasoning":
        yield from _summary_events(inner, done)
    else:
        yield from _part_events(inner | {"content_index": 0}, done)
    yield {"type": "response.output_item.done", **where, "item": done}


def _summary_events(inner: Object, done: Object) -> Iterator[Object]:
    summary = done["summary"]
    assert isinstance(summary, list)
    for index, part in enumerate(summary):
        place = inner | {"summary_index": index}
        empty = {"type": "summary_text", "text": ""}
        yield {"type": "response.reasoning_summary_part.added", **place, "part": empty}
        for piece in pieces(part["text"]):
            yield {"type": "response.reasoning_summary_text.delta", **place, "delta": piece}
        yield {"type": "response.reasoning_summary_text.done", **place, "text": part["text"]}
        yield {"type": "response.reasoning_summary_part.done", **place, "part": part}


def _part_events(inner: Object, done: Object) -> Iterator[Object]:
    content = done["content"]
    assert isinstance(content, list)
    part = content[0]
    field, kind = ("refusal", "refusal") if part["type"] == "refusal" else ("text", "output_text")
    extra: Object = {"logprobs": []} if kind == "output_text" else {}
    yield {"type": "response.content_part.added", **inner, "part": part | {field: ""}}
    for piece in pieces(part[field]):
        yield {"type": f"response.{kind}.delta", **inner, "delta": piece, **extra}
    yield {"type": f"response.{kind}.done", **inner, field: part[field], **extra}
    yield {"type": "response.content_part.done", **inner, "part": part}


def _running(asked: Asked) -> Object:
    fields = decode_object(asked.body)
    return {
        "id": ID,
        "object": "response",
        "created_at": CREATED,
        "status": "in_progress",
        "background": False,
        "error": None,
        "incomplete_details": None,
        **{name: _ECHO_DEFAULTS[name] if fields.get(name) is None else fields[name] for name in _ECHOED},
        "model": asked.model,
        "output": [],
        "previous_response_id": None,
        "reasoning": {"effort": None, "summary": None},
        "store": False,
        "text": {"format": {"type": "text"}},
        "top_p": 1.0,
        "truncation": "disabled",
        "usage": None,
        "user": None,
    }


def _response(answer: Answer, asked: Asked, items: list[Object]) -> Object:
    reasons = {Ending.LENGTH: "max_output_tokens", Ending.BLOCKED: "content_filter"}
    reason = reasons.get(answer.ending)
    return _running(asked) | {
        "status": "completed" if reason is None else "incomplete",
        "incomplete_details": None if reason is None else {"reason": reason},
        "output": items,
        "usage": _usage(answer.spent),
    }


def _usage(spent: Spent) -> Object:
    return {
        "input_tokens": spent.input_tokens,
        "input_tokens_details": {
            "cached_tokens": spent.cached_tokens,
            "cache_write_tokens": spent.cache_written_tokens,
        },
        "output_tokens": spent.output_tokens,
        "output_tokens_details": {"reasoning_tokens": spent.reasoning_tokens},
        "total_tokens": spent.input_tokens + spent.output_tokens,
    }


VOICE = Voice("openai_responses", ("/responses",), whole, events, chat.failure, broken_event, broken_whole, complaints)
