"""The repertoire of the scripted upstream: a model's name is a behaviour, and its options stand behind a `?`.

`plain` answers, and so does every name that is not listed here; `plain?chunks=20&delay_s=0.05` takes its time,
`cut-mid-stream?after=3&reset=1` breaks off. The options are the fields of `Voice` (what is said) and `Delivery`
(how it is sent).
"""

# ruff: noqa: ARG001 (every behaviour takes the same two arguments)

import zlib
from collections.abc import Callable
from typing import Literal
from urllib.parse import parse_qsl

import msgspec

from freetheai_gateway import jsonc
from freetheai_gateway.testing.completions import Ask, Voice, chunks, completion, error_body
from freetheai_gateway.testing.scripts import (
    LAST_CHUNK,
    Close,
    Framing,
    Headers,
    Hold,
    Script,
    Send,
    Step,
    Wait,
    head,
    http_chunk,
    in_pieces,
    whole_reply,
)

_GZIP_WINDOW_BITS = 31
_EOL = {"lf": b"\n", "crlf": b"\r\n", "cr": b"\r"}
_REQUEST_ID: Headers = (("x-request-id", "req-of-the-upstream"), ("openai-processing-ms", "7"))


class Delivery(Voice, frozen=True, forbid_unknown_fields=True):
    """How a reply is put on the wire: times in seconds, sizes in bytes."""

    head_delay_s: float = 0.0
    first_delay_s: float = 0.0
    """Between the head and the first event."""
    delay_s: float = 0.0
    """Between events."""
    after: int = 2
    """Events before what is about to happen: a gap, a cut, an error."""
    gap_s: float = 0.0
    """A silence after that many events."""
    done: bool = True
    """Whether the stream ends in `data: [DONE]`."""
    eol: Literal["lf", "crlf", "cr"] = "lf"
    space: bool = True
    """Whether a space follows `data:`."""
    multiline: bool = False
    """Spread each event over two data lines."""
    comments: bool = False
    """Put a comment before every event and a bare colon between its lines."""
    bom: bool = False
    piece_bytes: int = 0
    """Send in pieces of so many bytes, each an HTTP chunk and a write of its own."""
    gzip: bool = False
    """Compress, though nobody asked."""
    framing: Framing = "chunked"
    reset: bool = False
    """Cut with RST instead of FIN."""
    size_bytes: int = 1_000_000
    """Content of a huge body or a giant event."""
    code: int = 500
    form: Literal["object", "string", "detail", "message", "array", "html", "empty", "int_code"] = "object"
    """The shape of an error body."""
    retry_after: str = ""


Behaviour = Callable[[Ask, Delivery], Script]


def script_for(name: str, ask: Ask) -> Script:
    """Find what a model's name asks for. Raises `jsonc.InvalidJSON` where an option is unknown or ill-typed."""
    behaviour, _, query = name.partition("?")
    try:
        delivery = msgspec.convert(dict(parse_qsl(query, keep_blank_values=True)), Delivery, strict=False)
    except msgspec.ValidationError as error:
        raise jsonc.InvalidJSON(f"the model's name has a wrong option: {error}") from None
    return BEHAVIOURS.get(behaviour, plain)(ask, delivery)


# --- answers --------------------------------------------------------------------------------------------------


def plain(ask: Ask, how: Delivery) -> Script:
    """Answer as asked: whole or streamed."""
    return streamed(ask, how) if ask.stream else whole(ask, how)


def whole(ask: Ask, how: Delivery) -> Script:
    """Answer in one JSON body, streamed or not."""
    body = completion(ask, how)
    if how.gzip:
        packer = zlib.compressobj(wbits=_GZIP_WINDOW_BITS)
        body = packer.compress(body) + packer.flush()
    headers = _REQUEST_ID + ((("content-encoding", "gzip"),) if how.gzip else ())
    if how.piece_bytes or how.delay_s:
        start = head(200, (("content-type", "application/json"), ("content-length", str(len(body))), *headers))
        pieces = [(*_pause(how.delay_s), Send(piece)) for piece in in_pieces(body, how.piece_bytes)]
        return (*_pause(how.head_delay_s), Send(start), *(step for steps in pieces for step in steps))
    return (*_pause(how.head_delay_s), *whole_reply(200, body, headers=headers))


def streamed(ask: Ask, how: Delivery) -> Script:
    """Answer as server-sent events, asked for or not."""
    return (*_opening(how), *_events(how, stream_events(ask, how)), *_ending(how))


def tools(ask: Ask, how: Delivery) -> Script:
    """Call every offered tool once, in parallel; answer in text when their results came."""
    return plain(ask, msgspec.structs.replace(how, call_tools=True))


def reasoning(ask: Ask, how: Delivery) -> Script:
    """Think aloud in `reasoning_content`, then answer."""
    return plain(ask, msgspec.structs.replace(how, reasoning=how.reasoning or "Let me think first."))


def echo(ask: Ask, how: Delivery) -> Script:
    """Say what the last message said."""
    return plain(ask, msgspec.structs.replace(how, echo=True))


def huge(ask: Ask, how: Delivery) -> Script:
    """Answer with `size_bytes` of content: one giant event in a stream, one huge body otherwise."""
    return plain(ask, msgspec.structs.replace(how, text="x" * how.size_bytes))


# --- refusals -------------------------------------------------------------------------------------------------


def status(ask: Ask, how: Delivery) -> Script:
    """Refuse with the status `code` and an error body of the shape `form`."""
    message = f"scripted refusal {how.code}"
    shapes: dict[str, bytes] = {
        "object": error_body(message, type_="scripted_error", code="scripted"),
        "int_code": error_body(message, type_="scripted_error", code=how.code),
        "string": jsonc.encode({"error": message}),
        "detail": jsonc.encode({"detail": message}),
        "message": jsonc.encode({"message": message, "status": how.code}),
        "array": jsonc.encode([{"error": {"message": message, "code": how.code, "status": "SCRIPTED"}}]),
        "html": f"<!doctype html><html><body><h1>{message}</h1></body></html>".encode(),
        "empty": b"",
    }
    headers = _REQUEST_ID + ((("retry-after", how.retry_after),) if how.retry_after else ())
    kind = "text/html" if how.form == "html" else "application/json"
    return (*_pause(how.head_delay_s), *whole_reply(how.code, shapes[how.form], content_type=kind, headers=headers))


def context_length(ask: Ask, how: Delivery) -> Script:
    """Refuse a conversation that is too long."""
    message = "This model's maximum context length is 8192 tokens. However, your messages resulted in 9001 tokens."
    return whole_reply(400, error_body(message, code="context_length_exceeded", param="messages"))


def content_policy(ask: Ask, how: Delivery) -> Script:
    """Refuse content."""
    message = "Your request was rejected as a result of our safety system."
    return whole_reply(400, error_body(message, code="content_policy_violation"))


def model_not_found(ask: Ask, how: Delivery) -> Script:
    """Refuse the model's name."""
    message = f"The model `{ask.model}` does not exist or you do not have access to it."
    return whole_reply(404, error_body(message, code="model_not_found"))


# --- silences and cuts ----------------------------------------------------------------------------------------


def never(ask: Ask, how: Delivery) -> Script:
    """Accept and never answer."""
    return (Hold(),)


def silence_after_head(ask: Ask, how: Delivery) -> Script:
    """Send the head, then nothing."""
    return (Send(_stream_head(how)), Hold())


def pings(ask: Ask, how: Delivery) -> Script:
    """Send the head, then comments every `delay_s`, and never an event."""
    ping = (Send(http_chunk(b": working\n\n")), Wait(how.delay_s or 0.1))
    return (Send(_stream_head(how)), *(ping * 1_000), Hold())


def silence_mid_stream(ask: Ask, how: Delivery) -> Script:
    """Send `after` events, then nothing."""
    return (*_opening(how), *_events(how, stream_events(ask, how)[: how.after]), Hold())


def silence_mid_body(ask: Ask, how: Delivery) -> Script:
    """Announce a whole body, send half of it, then nothing."""
    (sent,) = whole_reply(200, completion(ask, how))
    assert isinstance(sent, Send)
    return (Send(sent.data[:-40]), Hold())


def cut_before_head(ask: Ask, how: Delivery) -> Script:
    """Close without a word."""
    return (*_pause(how.head_delay_s), Close(reset=how.reset))


def cut_after_head(ask: Ask, how: Delivery) -> Script:
    """Send the head of a stream, then close."""
    return (*_opening(how), Close(reset=how.reset))


def cut_mid_stream(ask: Ask, how: Delivery) -> Script:
    """Send `after` whole events, then close."""
    return (*_opening(how), *_events(how, stream_events(ask, how)[: how.after]), Close(reset=how.reset))


def cut_mid_event(ask: Ask, how: Delivery) -> Script:
    """Send `after` whole events and the beginning of one more, then close."""
    events = stream_events(ask, how)[: how.after + 1]
    return (*_opening(how), *_events(how, [*events[:-1], events[-1][:25]]), Close(reset=how.reset))


def cut_body(ask: Ask, how: Delivery) -> Script:
    """Announce more of a whole body than comes."""
    body = completion(ask, how)
    return whole_reply(200, body[: len(body) // 2], announced=len(body))


# --- nonsense -------------------------------------------------------------------------------------------------


def bad_json(ask: Ask, how: Delivery) -> Script:
    """Answer 200 with a body that is not JSON."""
    return whole_reply(200, b'{"id":"chatcmpl-scripted","choices":[{"index":0,')


def bad_sse(ask: Ask, how: Delivery) -> Script:
    """Stream `after` good events, then data that is not JSON, then go on."""
    events = stream_events(ask, how)
    bad = sse_event(b'{"id":"chatcmpl-scripted","choices":[{', how)
    return (*_opening(how), *_events(how, [*events[: how.after], bad, *events[how.after :]]), *_ending(how))


def html_page(ask: Ask, how: Delivery) -> Script:
    """Answer 200 with an HTML page, as a proxy in between does."""
    return whole_reply(200, b"<!doctype html><title>Sign in</title>", content_type="text/html")


def error_first(ask: Ask, how: Delivery) -> Script:
    """Answer 200 with a stream whose first event is an error."""
    return (*_opening(how), *_events(how, [_error_event(how)]), *_ending(how))


def error_mid_stream(ask: Ask, how: Delivery) -> Script:
    """Stream `after` events, then an error, then end."""
    events = [*stream_events(ask, how)[: how.after], _error_event(how)]
    return (*_opening(how), *_events(how, events), *_ending(how))


def not_http(ask: Ask, how: Delivery) -> Script:
    """Answer something that is not HTTP."""
    return (Send(b"SSH-2.0-OpenSSH_9.2p1\r\n"), Close())


BEHAVIOURS: dict[str, Behaviour] = {
    "plain": plain,
    "json-anyway": whole,
    "sse-anyway": streamed,
    "tools": tools,
    "reasoning": reasoning,
    "echo": echo,
    "huge": huge,
    "status": status,
    "context-length": context_length,
    "content-policy": content_policy,
    "model-not-found": model_not_found,
    "never": never,
    "silence-after-head": silence_after_head,
    "pings": pings,
    "silence-mid-stream": silence_mid_stream,
    "silence-mid-body": silence_mid_body,
    "cut-before-head": cut_before_head,
    "cut-after-head": cut_after_head,
    "cut-mid-stream": cut_mid_stream,
    "cut-mid-event": cut_mid_event,
    "cut-body": cut_body,
    "bad-json": bad_json,
    "bad-sse": bad_sse,
    "html-page": html_page,
    "error-first": error_first,
    "error-mid-stream": error_mid_stream,
    "not-http": not_http,
}


# --- the wire -------------------------------------------------------------------------------------------------


def stream_events(ask: Ask, how: Delivery) -> list[bytes]:
    """Render the whole stream as the bytes of its events, `[DONE]` included where it is to come."""
    events = [sse_event(chunk, how) for chunk in chunks(ask, how)]
    if how.done:
        events.append(sse_event(b"[DONE]", how))
    if how.bom:
        events[0] = b"\xef\xbb\xbf" + events[0]
    return events


def sse_event(data: bytes, how: Delivery) -> bytes:
    """Render one event in the line ends, spacing and lines that are asked for."""
    eol = _EOL[how.eol]
    prefix = b"data: " if how.space else b"data:"
    lines = [prefix + data]
    if how.multiline and data.startswith(b"{"):
        lines = [prefix + b"{", prefix + data[1:]]
    if how.comments:
        lines = [b": a comment", *_interleaved(lines, b":")]
    return eol.join([*lines, b"", b""])


def _interleaved(lines: list[bytes], between: bytes) -> list[bytes]:
    return [line for pair in zip(lines, [between] * len(lines), strict=True) for line in pair][:-1]


def _error_event(how: Delivery) -> bytes:
    return sse_event(error_body("The server had an error while processing your request.", type_="server_error"), how)


def _pause(seconds: float) -> tuple[Step, ...]:
    return (Wait(seconds),) if seconds else ()


def _stream_head(how: Delivery) -> bytes:
    headers = [("content-type", "text/event-stream; charset=utf-8"), ("cache-control", "no-cache"), *_REQUEST_ID]
    if how.gzip:
        headers.append(("content-encoding", "gzip"))
    headers.append(("transfer-encoding", "chunked") if how.framing == "chunked" else ("connection", "close"))
    return head(200, headers)


def _opening(how: Delivery) -> Script:
    return (*_pause(how.head_delay_s), Send(_stream_head(how)), *_pause(how.first_delay_s))


def _events(how: Delivery, events: list[bytes]) -> Script:
    packer = zlib.compressobj(wbits=_GZIP_WINDOW_BITS) if how.gzip else None
    steps: list[Step] = []
    for index, event in enumerate(events):
        if index:
            steps.extend(_pause(how.delay_s))
        if index == how.after:
            steps.extend(_pause(how.gap_s))
        data = event if packer is None else packer.compress(event) + packer.flush(zlib.Z_SYNC_FLUSH)
        framed = http_chunk if how.framing == "chunked" else bytes
        steps.extend(Send(framed(piece)) for piece in in_pieces(data, how.piece_bytes))
    if packer is not None and how.framing == "chunked":
        steps.append(Send(http_chunk(packer.flush())))
    return tuple(steps)


def _ending(how: Delivery) -> Script:
    return (Send(LAST_CHUNK),) if how.framing == "chunked" else (Close(),)
