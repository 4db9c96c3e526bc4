"""How one request travels between client and upstream: raw where both speak the same dialect, else translated.

Either lane gives the rendered request, and follows the reply through the same two doors (`open_stream`,
`parse_reply`), so that what relays bytes need not know which lane it serves.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

from freetheai_gateway.dialects.protocol import (
    ClientTranslator,
    ClientView,
    Dialect,
    DialectName,
    Fault,
    MalformedReply,
    RawReply,
    RawRequest,
    RawStream,
    RenderedRequest,
    ReplyParser,
    ReplyRenderer,
    Target,
    UpstreamSaidError,
    UpstreamTranslator,
    anew,
)
from freetheai_gateway.domain.events import (
    Delta,
    Event,
    Finished,
    PartStarted,
    Reply,
    Started,
    ToolCallStarted,
    UsageReported,
    WholePart,
    fold,
)
from freetheai_gateway.domain.usage import Usage


class Lane(Protocol):
    """One request, rendered for one upstream, and the reading of its reply."""

    upstream_dialect: DialectName
    body: bytes
    """The request as it goes upstream."""
    dropped: tuple[str, ...]
    """What could not be said in the upstream's dialect."""

    def open_stream(self) -> RawStream:
        """Begin to follow a reply that comes as events."""
        ...

    def parse_reply(self, body: bytes) -> RawReply:
        """Read a reply that came whole. Raises `MalformedReply`, `UpstreamSaidError`."""
        ...

    def fold_stream(self, body: bytes) -> RawReply:
        """Read a reply that came as events where a whole one was asked for. Raises as `parse_reply`."""
        ...

    def unfold_reply(self, body: bytes) -> tuple[bytes, RawStream]:
        """Write a reply that came whole as the stream that was asked for. Raises as `parse_reply`."""
        ...


class RawLane:
    """Bytes pass unchanged but for model, usage and quirks.

    `translated` makes the other lane for the same request: it serves where an upstream answers whole what was to be
    streamed, or the other way round.
    """

    dropped: tuple[str, ...] = ()

    def __init__(
        self,
        dialect: Dialect,
        request: RawRequest,
        target: Target,
        alias: str,
        translated: Callable[[], "TranslationLane"] | None = None,
    ) -> None:
        self.upstream_dialect = dialect.name
        self.body = dialect.render_request(request, target.model, target.quirks, target.default_output_tokens)
        self._dialect = dialect
        self._request = request
        self._alias = alias
        self._translated = translated

    def open_stream(self) -> RawStream:
        """Begin to follow a reply that comes as events."""
        return self._dialect.open_stream(self._request, self._alias)

    def parse_reply(self, body: bytes) -> RawReply:
        """Read a reply that came whole."""
        return self._dialect.parse_reply(body, self._alias)

    def fold_stream(self, body: bytes) -> RawReply:
        """Read a reply that came as events where a whole one was asked for."""
        return self._other("events").fold_stream(body)

    def unfold_reply(self, body: bytes) -> tuple[bytes, RawStream]:
        """Write a reply that came whole as the stream that was asked for."""
        return self._other("a whole reply").unfold_reply(body)

    def _other(self, what: str) -> "TranslationLane":
        if self._translated is None:
            raise MalformedReply(f"the upstream sent {what} unasked")
        return self._translated()


class TranslationLane:
    """The request is read into a conversation and written in the upstream's dialect; the reply the other way."""

    def __init__(
        self, client: ClientTranslator, upstream: UpstreamTranslator, view: ClientView, target: Target
    ) -> None:
        self.upstream_dialect = upstream.name
        self._client = client
        self._upstream = upstream
        self._view = view
        self._rendered: RenderedRequest = upstream.render(view.request, target)
        self.body = self._rendered.body
        self.dropped = self._rendered.dropped

    def open_stream(self) -> RawStream:
        """Begin to follow a reply that comes as events."""
        return self._stream()

    def parse_reply(self, body: bytes) -> RawReply:
        """Read a reply that came whole."""
        return self._whole(self._upstream.reply_parser(self._rendered).parse_whole(body))

    def fold_stream(self, body: bytes) -> RawReply:
        """Read a reply that came as events where a whole one was asked for."""
        parser = self._upstream.reply_parser(self._rendered)
        return self._whole([*parser.feed(body), *parser.finish()])

    def unfold_reply(self, body: bytes) -> tuple[bytes, RawStream]:
        """Write a reply that came whole as the stream that was asked for."""
        stream = self._stream()
        return stream.take_whole(body), stream

    def _stream(self) -> "TranslatedStream":
        return TranslatedStream(self._upstream.reply_parser(self._rendered), self._client.reply_renderer(self._view))

    def _whole(self, events: Sequence[Event]) -> RawReply:
        reply = fold(events)
        if reply is None:
            raise MalformedReply("the reply does not say that it is finished")
        return RawReply(
            body=self._client.render_whole(reply, self._view), usage=_usage_of(reply), delivered=bool(reply.parts)
        )


def _usage_of(reply: Reply) -> Usage | None:
    return reply.usage if reply.usage != Usage() else None


class TranslatedStream:
    """Implements `RawStream` with the machines of two dialects; constant memory."""

    __slots__ = ("_failure", "_final", "_parser", "_renderer", "delivered", "event_count", "reply_id", "usage")

    def __init__(self, parser: ReplyParser, renderer: ReplyRenderer) -> None:
        self._parser = parser
        self._renderer = renderer
        self._final = b""
        self._failure: Fault | None = None
        self.usage: Usage | None = None
        self.delivered = False
        self.event_count = 0
        self.reply_id = ""

    @property
    def final(self) -> bytes:
        """The end of the client's stream, held until the record is written."""
        return self._final

    def feed(self, data: bytes) -> bytes:
        """Take upstream bytes, return what goes to the client now."""
        if self._final or self._failure:
            return b""
        try:
            return self._take(self._parser.feed(data))
        except (MalformedReply, UpstreamSaidError) as failure:
            self._failure = anew(failure)
            return b""

    def take_whole(self, body: bytes) -> bytes:
        """Take a reply that came whole. Raises `MalformedReply`, `UpstreamSaidError`."""
        return self._take(self._parser.parse_whole(body))

    def check(self) -> None:
        """Raise what was wrong behind what `feed` returned."""
        if self._failure is not None:
            raise anew(self._failure)

    def finish(self) -> bytes:
        """Take the upstream's end. Raises `MalformedReply` where the reply was not finished."""
        rest = b"" if self._final else self._take(self._parser.finish())
        self.check()
        if not self._final:
            raise MalformedReply("the stream ended before the reply was complete")
        return rest + self._final

    def _take(self, events: Sequence[Event]) -> bytes:
        if not events:
            return b""
        for event in events:
            self._note(event)
        out = self._renderer.render(events)
        if isinstance(events[-1], Finished):
            self._final = self._renderer.final()
        return out

    def _note(self, event: Event) -> None:
        match event:
            case Delta():
                self.delivered = True
                self.event_count += 1
            case UsageReported(usage=usage):
                self.usage = usage
            case PartStarted(start=ToolCallStarted() | WholePart()):
                self.delivered = True
            case Started(usage=Usage() as usage):
                self.usage = self.usage or usage
