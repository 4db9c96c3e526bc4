"""Every parser that reads foreign bytes, with what it may raise. What it read is written on, as the gateway would."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from freetheai_gateway.app.dialects import CLIENTS, UPSTREAMS
from freetheai_gateway.dialects.anthropic_messages import AnthropicMessages
from freetheai_gateway.dialects.complaint import parse_complaint
from freetheai_gateway.dialects.lanes import TranslatedStream
from freetheai_gateway.dialects.openai_chat import OpenAIChat
from freetheai_gateway.dialects.openai_responses import OpenAIResponses
from freetheai_gateway.dialects.protocol import (
    ClientView,
    Dialect,
    DialectName,
    MalformedReply,
    RawStream,
    RenderedRequest,
    Target,
    UpstreamSaidError,
)
from freetheai_gateway.dialects.token_estimate import estimate_tokens
from freetheai_gateway.domain.events import fold
from freetheai_gateway.domain.pools import Quirks
from freetheai_gateway.errors import InvalidRequest
from freetheai_gateway.jsonc import InvalidJSON, read_fields, write_fields
from freetheai_gateway.sse import EventCutter, EventTooLarge, event_data, split_events
from freetheai_gateway.upstream.http1 import framing
from tools.fuzz import samples
from tools.fuzz.mutations import byte_strings, cut, documents, streams

RAW: dict[str, Dialect] = {dialect.name: dialect for dialect in (OpenAIChat(), AnthropicMessages(), OpenAIResponses())}
_TARGET = Target(model="upstream-model", quirks=Quirks(), default_output_tokens=4096, max_output_tokens=32_000)
_STATUSES = (400, 401, 404, 408, 413, 422, 429, 500, 503, 504, 529)
_METHODS = ("GET", "POST", "HEAD")


@dataclass(frozen=True, slots=True)
class Parser:
    """`inputs` draws what `check` feeds; `check` raises whatever is not among the documented errors."""

    name: str
    inputs: st.SearchStrategy[Any]
    check: Callable[[Any], None]


def parsers() -> Iterator[Parser]:
    """Give all parsers."""
    for dialect in CLIENTS:
        yield Parser(f"request {dialect}", documents(samples.requests(dialect)), _request(dialect))
    for dialect in UPSTREAMS:
        yield Parser(f"whole {dialect}", documents(samples.whole_replies(dialect)), _whole(dialect))
        yield Parser(f"stream {dialect}", streams(samples.streamed_replies(dialect)), _stream(dialect))
    every_stream = [stream for dialect in UPSTREAMS for stream in samples.streamed_replies(dialect)]
    every_request = [request for dialect in CLIENTS for request in samples.requests(dialect)]
    yield Parser("sse.EventCutter", cut(byte_strings(every_stream)), _check_cutter)
    yield Parser("jsonc.read_fields", documents(every_request), _check_fields)
    complaints = st.tuples(st.sampled_from(_STATUSES), documents(samples.complaints()))
    yield Parser("parse_complaint", complaints, lambda drawn: _check_complaint(*drawn))
    replies = st.tuples(st.sampled_from(_METHODS), cut(byte_strings(samples.HTTP_REPLIES)))
    yield Parser("http1.ReplyParser", replies, lambda drawn: _check_http(*drawn))


def _request(dialect: DialectName) -> Callable[[bytes], None]:
    """Read as both lanes do, and write for every upstream; only `InvalidRequest` may come of it."""

    def check(body: bytes) -> None:
        raw = RAW[dialect]
        with suppress(InvalidRequest):
            raw.render_request(raw.parse_request(body), "upstream-model", Quirks(), 4096)
        try:
            conversation = CLIENTS[dialect].parse(body)
        except InvalidRequest:
            return
        assert estimate_tokens(conversation) >= 0
        for upstream in UPSTREAMS.values():
            with suppress(InvalidRequest):
                upstream.render(conversation, _TARGET)

    return check


def _views() -> dict[DialectName, ClientView]:
    """Make a client's view per dialect, each of that dialect's rich request."""
    return {
        dialect: ClientView("alias", "0123456789", 1_700_000_000, client.parse(samples.requests(dialect)[0]), 12)
        for dialect, client in CLIENTS.items()
    }


def _rendered(dialect: DialectName) -> RenderedRequest:
    conversation = CLIENTS[DialectName.OPENAI_CHAT].parse(samples.requests(DialectName.OPENAI_CHAT)[0])
    return UPSTREAMS[dialect].render(conversation, _TARGET)


def _whole(dialect: DialectName) -> Callable[[bytes], None]:
    """Read as both lanes do, and write for every client."""
    upstream, rendered, views = UPSTREAMS[dialect], _rendered(dialect), _views()

    def check(body: bytes) -> None:
        if dialect in RAW:
            with suppress(MalformedReply, UpstreamSaidError):
                RAW[dialect].parse_reply(body, "alias")
        try:
            reply = fold(upstream.reply_parser(rendered).parse_whole(body))
        except (MalformedReply, UpstreamSaidError):
            return
        assert reply is not None, "a whole reply that was taken is finished"
        for name, client in CLIENTS.items():
            client.render_whole(reply, views[name])

    return check


def _stream(dialect: DialectName) -> Callable[[list[bytes]], None]:
    """Follow a stream as both lanes do, for every client."""
    upstream, rendered, views = UPSTREAMS[dialect], _rendered(dialect), _views()
    raw = RAW.get(dialect)
    asked = raw.parse_request(b'{"model":"m","messages":[1],"input":"x","max_tokens":1,"stream":true}') if raw else None

    def check(reads: list[bytes]) -> None:
        if raw and asked:
            _follow(raw.open_stream(asked, "alias"), reads)
        for name, client in CLIENTS.items():
            _follow(TranslatedStream(upstream.reply_parser(rendered), client.reply_renderer(views[name])), reads)

    return check


def _follow(stream: RawStream, reads: list[bytes]) -> None:
    for data in reads:
        stream.feed(data)
    with suppress(MalformedReply, UpstreamSaidError):
        stream.check()
        stream.finish()


def _check_cutter(reads: list[bytes]) -> None:
    """Lose nothing but a last event without an end."""
    cutter = EventCutter()
    with suppress(EventTooLarge):
        whole = b"".join(map(cutter.feed, reads))
        assert whole + cutter.held == b"".join(reads)
        for event in split_events(whole + cutter.close()):
            event_data(event)


def _check_fields(body: bytes) -> None:
    """Write what was read, and read it again as the same."""
    try:
        fields = read_fields(body)
    except InvalidJSON:
        return
    assert read_fields(write_fields(fields)) == fields


def _check_complaint(status: int, body: bytes) -> None:
    parse_complaint(status, body)


def _check_http(method: str, reads: list[bytes]) -> None:
    parser = framing.ReplyParser()
    parser.begin(method)
    with suppress(framing.MalformedReply):
        for data in reads:
            parser.feed(data)
        parser.feed_eof()
    parser.take()
