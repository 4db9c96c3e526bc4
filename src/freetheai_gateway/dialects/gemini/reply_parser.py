"""Reads `generateContent` replies, whole or streamed with `alt=sse`, into neutral events.

There is no last event in such a stream, and older models say `STOP` in every chunk: the reply is finished where the
upstream's stream ends and a finish reason was seen.
"""

import re
from hashlib import sha256

from freetheai_gateway.dialects.gemini.outcome import is_failure, is_finish, stop_reason
from freetheai_gateway.dialects.gemini.reply_wire import Chunk, FunctionCall, ReplyPart, UsageMetadata, decode_chunks
from freetheai_gateway.dialects.protocol import (
    DialectName,
    Fault,
    MalformedReply,
    RenderedRequest,
    UpstreamSaidError,
    anew,
)
from freetheai_gateway.dialects.said_error import said_error
from freetheai_gateway.dialects.tool_names import safe
from freetheai_gateway.domain.events import (
    Delta,
    Event,
    Finished,
    PartEnded,
    PartStart,
    PartStarted,
    SignatureGiven,
    Started,
    StopReason,
    TextStarted,
    ThinkingStarted,
    ToolCallStarted,
    UsageReported,
)
from freetheai_gateway.jsonc import InvalidJSON
from freetheai_gateway.sse import EventCutter, EventTooLarge, event_data, split_events

MAX_CALLS = 1024

_TEXT = TextStarted()
_THOUGHT = ThinkingStarted(DialectName.GEMINI.value, summary=True)
_BLOCKED = "BLOCKED_PROMPT"
_LINE_BREAK = re.compile(rb"[\r\n]\s*")
_NO_ARGUMENTS = frozenset({b"", b"null"})
_MINTED_LENGTH = 24


class GeminiReplyParser:
    """Implements `dialects.protocol.ReplyParser` for one reply."""

    def __init__(self, rendered: RenderedRequest) -> None:
        self._rendered = rendered
        self._cutter = EventCutter()
        self._failure: Fault | None = None
        self._reply_id: str | None = None
        self._next_index = 0
        self._open: PartStart | None = None
        self._ids: set[str] = set()
        self._seed = b""
        self._has_text = False
        self._usage: UsageMetadata | None = None
        self._reason: str | None = None
        self._events: list[Event] = []

    def feed(self, data: bytes) -> list[Event]:
        """Take bytes of a stream, cut anywhere."""
        self._raise_failure()
        try:
            # Google ends lines with CRLF; events with LF are cut several times faster, and JSON holds neither.
            block = self._cutter.feed(data.replace(b"\r\n", b"\n"))
        except EventTooLarge:
            raise MalformedReply("an event of the stream is too large") from None
        return self._read_block(block)

    def finish(self) -> list[Event]:
        """Take the clean end of a stream. Raises `MalformedReply` where the reply was not finished."""
        self._raise_failure()
        events = self._read_block(self._cutter.close())
        if self._failure is not None:
            if events:
                return events
            self._raise_failure()
        if self._reason is None:
            raise MalformedReply("the stream ended without a finish reason")
        return events + self._ending(self._reason)

    def parse_whole(self, body: bytes) -> list[Event]:
        """Read a whole reply."""
        events = self._read_data(body)
        self._raise_failure()
        if self._reason is None:
            raise MalformedReply("the reply has no candidate with a finish reason")
        return events + self._ending(self._reason)

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise anew(self._failure)

    # --- bytes to chunks --------------------------------------------------------------------------------------

    def _read_block(self, block: bytes) -> list[Event]:
        events: list[Event] = []
        for event in split_events(block) if block else ():
            data = event_data(event)
            if data is None or not data.strip() or data == b"[DONE]":
                continue
            events += self._read_data(data)
            if self._failure is not None:
                break
        return events

    def _read_data(self, data: bytes) -> list[Event]:
        """Read one chunk or several; what is wrong is kept for the next call, what came before is returned."""
        try:
            for chunk in decode_chunks(data):
                self._take(chunk)
        except InvalidJSON:
            self._failure = MalformedReply("a chunk of the reply is not what Gemini documents")
        except MalformedReply as failure:
            self._failure = anew(failure)
        except UpstreamSaidError as failure:
            self._failure = said_error(data, str(failure))
        events, self._events = self._events, []
        return events

    # --- chunks to events -------------------------------------------------------------------------------------

    def _take(self, chunk: Chunk) -> None:
        if chunk.is_error:
            raise UpstreamSaidError("the upstream reported an error in its reply")
        if chunk.usage_metadata is not None:
            self._usage = chunk.usage_metadata
        if self._reply_id is None:
            self._reply_id = chunk.response_id or ""
            usage = None if self._usage is None else self._usage.neutral()
            self._events.append(Started(self._reply_id, chunk.model_version or "", usage=usage))
        candidate = chunk.first_candidate()
        if candidate is None:
            if chunk.prompt_feedback is not None and chunk.prompt_feedback.block_reason:
                self._reason = _BLOCKED
            return
        for part in (candidate.content.parts if candidate.content is not None else None) or ():
            self._take_part(part)
        if candidate.finish_reason is not None and is_finish(candidate.finish_reason):
            self._reason = candidate.finish_reason
            if is_failure(self._reason):
                raise UpstreamSaidError("the model broke off with a malformed function call")

    def _take_part(self, part: ReplyPart) -> None:
        if part.function_call is not None:
            self._take_call(part.function_call, part.thought_signature)
            return
        if part.text:
            self._take_text(part.text, _THOUGHT if part.thought else _TEXT)
        if part.thought_signature:
            self._take_signature(part.thought_signature)

    def _take_text(self, text: str, kind: PartStart) -> None:
        if self._open is not kind:
            self._begin(kind)
            self._has_text |= kind is _TEXT
        self._events.append(Delta(self._next_index - 1, text))

    def _take_signature(self, signature: str) -> None:
        """Give a signature to the open thought; one of a text stands in an empty thought behind it."""
        if self._open is not _THOUGHT:
            self._begin(_THOUGHT)
        self._events.append(SignatureGiven(self._next_index - 1, signature))
        self._end()

    def _take_call(self, call: FunctionCall, signature: str | None) -> None:
        if not call.name:
            return
        if len(self._ids) >= MAX_CALLS:
            raise MalformedReply("the reply holds too many function calls")
        name = self._rendered.names.get(call.name, call.name)
        self._begin(ToolCallStarted(self._call_id(call.id), name, signature=signature or None))
        self._events.append(Delta(self._next_index - 1, _arguments(call)))
        self._end()

    def _call_id(self, given: str | None) -> str:
        """Take the upstream's id; mint one where there is none, or where it stands twice."""
        if given and (own := safe(given)) not in self._ids:
            self._ids.add(own)
            return own
        if not self._seed:
            self._seed = sha256(self._rendered.body).digest() + (self._reply_id or "").encode(errors="replace")
        ordinal = str(len(self._ids)).encode()
        minted = f"call_{sha256(self._seed + ordinal).hexdigest()[:_MINTED_LENGTH]}"
        self._ids.add(minted)
        return minted

    def _begin(self, kind: PartStart) -> None:
        self._end()
        self._open = kind
        self._events.append(PartStarted(self._next_index, kind))
        self._next_index += 1

    def _end(self) -> None:
        if self._open is not None:
            self._events.append(PartEnded(self._next_index - 1))
            self._open = None

    def _ending(self, reason: str) -> list[Event]:
        self._end()
        if self._usage is not None:
            self._events.append(UsageReported(self._usage.neutral()))
        outcome = StopReason.REFUSAL
        if reason != _BLOCKED:
            outcome = stop_reason(reason, has_calls=bool(self._ids), has_text=self._has_text)
        events, self._events = self._events, []
        return [*events, Finished(outcome)]


def _arguments(call: FunctionCall) -> str:
    """Give arguments as one line; between the tokens of JSON, and only there, a line may break."""
    raw = bytes(call.args)
    return "{}" if raw in _NO_ARGUMENTS else _LINE_BREAK.sub(b"", raw).decode(errors="replace")
