"""What goes over the wire in the benchmark: requests, replies and stream chunks, as bytes. No I/O."""

from collections.abc import Iterable

import msgspec

PATH = "/v1/chat/completions"
UPSTREAM_MODEL = "bench-model"
_CREATED = 1_700_000_000
_ID = "chatcmpl-bench0123456789abcdefghij"
_PROMPT = "Explain in two or three sentences why the sky is blue at noon and red in the evening. " * 6
_ANSWER = "Air scatters short waves more than long ones, so the light from the side is blue. " * 6
_USAGE = {"prompt_tokens": 140, "completion_tokens": 96, "total_tokens": 236}

END_OF_STREAM = b"0\r\n\r\n"
"""The last chunk of a body in chunked coding (RFC 9112 section 7.1)."""
_CLOSING_EVENTS = 3
_WORD = " evening"
CONTENT = b'"content":"' + _WORD.encode()
"""What marks a content chunk."""
_encode = msgspec.json.Encoder().encode


def request_body(model: str, *, stream_chunks: int | None = None) -> bytes:
    """Render a chat request; with `stream_chunks` it asks for a stream of that many content chunks."""
    body: dict[str, object] = {
        "model": model,
        "messages": [
            {"role": "system", "content": "You are a helpful assistant. Answer shortly and to the point."},
            {"role": "user", "content": _PROMPT},
        ],
        "temperature": 0.7,
    }
    if stream_chunks is not None:
        # The usage is asked for, so that all servers relay the same number of events.
        body |= {"max_tokens": stream_chunks, "stream": True, "stream_options": {"include_usage": True}}
    return _encode(body)


def events_of(stream_chunks: int) -> int:
    """Count the events of a stream: the role, the content chunks, finish reason, usage and `[DONE]`."""
    return 1 + stream_chunks + _CLOSING_EVENTS


def render_request(path: str, body: bytes, key: str) -> bytes:
    """Render a whole HTTP request."""
    return (
        f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {key}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    ).encode() + body


def whole_reply() -> bytes:
    """Render the JSON of a reply that is not streamed."""
    message = {"role": "assistant", "content": _ANSWER, "refusal": None}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
    return _encode(
        {
            "id": _ID,
            "object": "chat.completion",
            "created": _CREATED,
            "model": UPSTREAM_MODEL,
            "choices": [choice],
            "usage": _USAGE,
        }
    )


def whole_response() -> bytes:
    """Render the HTTP response around it."""
    body = whole_reply()
    return b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body) + body


def stream_head() -> bytes:
    """Render the head of a streamed response and the chunk that names the role."""
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
    return head + _http_chunk([_event({"role": "assistant", "content": ""})])


def stream_chunk() -> bytes:
    """Render one content chunk, some 180 bytes of data."""
    return _http_chunk([_event({"content": _WORD})])


def stream_tail() -> bytes:
    """Render the finish reason, the usage, `[DONE]` and the end of the body."""
    usage = {**_envelope(), "choices": [], "usage": _USAGE}
    events = [_event({}, finish_reason="stop"), _data(_encode(usage)), _data(b"[DONE]")]
    return _http_chunk(events) + END_OF_STREAM


def _envelope() -> dict[str, object]:
    return {"id": _ID, "object": "chat.completion.chunk", "created": _CREATED, "model": UPSTREAM_MODEL}


def _event(delta: dict[str, str], finish_reason: str | None = None) -> bytes:
    return _data(_encode({**_envelope(), "choices": [{"index": 0, "delta": delta, "finish_reason": finish_reason}]}))


def _data(data: bytes) -> bytes:
    return b"data: " + data + b"\n\n"


def _http_chunk(events: Iterable[bytes]) -> bytes:
    data = b"".join(events)
    return b"%x\r\n%b\r\n" % (len(data), data)
