"""Neutral events as chat chunks for a client: state machine B.

Everything but the delta is the same in every chunk and is encoded once.
"""

from collections.abc import Sequence

from freetheai_gateway.dialects.openai_chat.client_view import (
    NO_ARGUMENTS,
    call_object,
    completion_id,
    custom_names,
    is_legacy,
    usage_object,
)
from freetheai_gateway.dialects.openai_chat.finish_reasons import write_finish
from freetheai_gateway.dialects.openai_chat.reasoning import OWN, SUMMARY, TEXT, detail_of, format_of
from freetheai_gateway.dialects.openai_chat.stream import DONE
from freetheai_gateway.dialects.protocol import ClientView
from freetheai_gateway.dialects.signatures import mint
from freetheai_gateway.domain.conversation import RedactedThinking, ToolKind
from freetheai_gateway.domain.events import (
    Delta,
    Event,
    Finished,
    PartEnded,
    PartStart,
    PartStarted,
    RefusalStarted,
    SignatureGiven,
    Started,
    StopReason,
    TextStarted,
    ThinkingStarted,
    ToolCallStarted,
    UsageReported,
    WholePart,
)
from freetheai_gateway.domain.usage import Usage
from freetheai_gateway.jsonc import encode
from freetheai_gateway.sse import data_event

_FIELDS = {TextStarted: b'"content":', RefusalStarted: b'"refusal":', ThinkingStarted: b'"reasoning_content":'}


class ChunkRenderer:
    """Implements `dialects.protocol.ReplyRenderer`."""

    def __init__(self, view: ClientView) -> None:
        request = view.request
        self._view = view
        self._shows_usage = request.usage_asked
        self._custom_names = custom_names(request)
        self._is_legacy = is_legacy(request)
        head = {"id": completion_id(view), "object": "chat.completion.chunk", "created": view.created}
        self._head = b"data: " + encode(head | {"model": view.alias})[:-1]
        self._before = self._head + b',"choices":[{"index":0,"delta":{'
        usage = b',"usage":null' if self._shows_usage else b""
        self._after = b'},"finish_reason":null}]' + usage + b"}\n\n"
        self._open: PartStart | None = None
        self._prefix = b""
        """What stands before the text of the open part's deltas."""
        self._suffix = self._after
        self._wrapped: list[str] | None = None
        """Arguments of a call that stands for a custom tool's: its input can be read from the whole only."""
        self._said_arguments = False
        self._calls = 0
        self._details = 0
        self._usage: tuple[Usage, int] | None = None
        self._pieces = 0
        self._reason = StopReason.END

    def render(self, events: Sequence[Event]) -> bytes:
        """Render events; the finish chunk and all behind it wait for `final`."""
        return b"".join(self._render(event) for event in events)

    def final(self) -> bytes:
        """Render the finish chunk, the usage chunk if the client asked for it, and the terminator."""
        finish = write_finish(self._reason, called=self._calls > 0, legacy=self._is_legacy)
        usage = b',"usage":null' if self._shows_usage else b""
        chunk = self._before + b'},"finish_reason":' + encode(finish) + b"}]" + usage + b"}\n\n"
        if self._shows_usage:
            chunk += self._head + b',"choices":[],"usage":' + encode(self._usage_object()) + b"}\n\n"
        return chunk + data_event(DONE)

    def _render(self, event: Event) -> bytes:
        match event:
            case Delta(text=text):
                return self._delta(text)
            case PartStarted(start=start):
                return self._begin(start)
            case PartEnded():
                return self._end()
            case SignatureGiven(signature=signature):
                return self._sign(signature)
            case Started(usage=usage):
                self._usage = None if usage is None else (usage, 0)
                return self._chunk(b'"role":"assistant","content":""')
            case UsageReported(usage=usage, cache_written_tokens=written):
                self._usage = (usage, written)
            case Finished(reason=reason):
                self._reason = reason
        return b""

    def _chunk(self, delta: bytes) -> bytes:
        return self._before + delta + self._after

    def _delta(self, text: str) -> bytes:
        self._pieces += 1
        if self._wrapped is not None:
            self._wrapped.append(text)
            return b""
        self._said_arguments = True
        encoded = encode(text)
        if self._has_details():
            return self._prefix + encoded + self._suffix.replace(_TEXT_MARK, encoded, 1)
        return self._prefix + encoded + self._suffix

    def _begin(self, start: PartStart) -> bytes:
        self._open = start
        self._suffix = self._after
        if isinstance(start, ToolCallStarted):
            return self._begin_call(start)
        if isinstance(start, WholePart):
            return self._whole(start)
        self._prefix = self._before + _FIELDS[type(start)]
        if isinstance(start, ThinkingStarted) and self._has_details():
            kind, words = (SUMMARY, "summary") if start.summary else (TEXT, "text")
            entry = f',"reasoning_details":[{{"type":"{kind}","index":{self._details},"{words}":'.encode()
            self._suffix = entry + _TEXT_MARK + b"}]" + self._after
        return b""

    def _has_details(self) -> bool:
        """Whether the open part is reasoning that another vendor may sign: then text and signature go out as one."""
        return isinstance(self._open, ThinkingStarted) and self._open.vendor not in {"", OWN}

    def _begin_call(self, call: ToolCallStarted) -> bytes:
        ordinal, self._calls = self._calls, self._calls + 1
        self._said_arguments = False
        if call.kind is ToolKind.FUNCTION and call.name in self._custom_names:
            self._wrapped = []
            return b""
        if self._is_legacy and ordinal:
            self._wrapped = []  # the legacy form has room for one call
            return b""
        if self._is_legacy:
            self._prefix = self._before + b'"function_call":{"arguments":'
            self._suffix = b"}" + self._after
            return self._chunk(b'"function_call":' + encode({"name": call.name, "arguments": ""}))
        inner = b'"custom":{"input":' if call.kind is ToolKind.CUSTOM else b'"function":{"arguments":'
        self._prefix = self._before + b'"tool_calls":[{"index":' + encode(ordinal) + b"," + inner
        self._suffix = b"}}]" + self._after
        return self._call_chunk(ordinal, call, "", wrapped=False)

    def _call_chunk(self, ordinal: int, call: ToolCallStarted, text: str, *, wrapped: bool) -> bytes:
        return self._chunk(b'"tool_calls":' + encode([{"index": ordinal} | call_object(call, text, wrapped=wrapped)]))

    def _end(self) -> bytes:
        part, self._open = self._open, None
        if isinstance(part, ThinkingStarted):
            self._details += 1
        if not isinstance(part, ToolCallStarted):
            return b""
        if self._wrapped is not None:
            text, self._wrapped = "".join(self._wrapped), None
            if self._is_legacy:
                return b""
            return self._call_chunk(self._calls - 1, part, text, wrapped=True)
        if self._said_arguments or part.kind is ToolKind.CUSTOM:
            return b""
        return self._prefix + encode(NO_ARGUMENTS) + self._suffix

    def _sign(self, signature: str) -> bytes:
        part = self._open
        if not isinstance(part, ThinkingStarted):
            return b""
        vendor = part.vendor or OWN
        entry = {
            "type": SUMMARY if part.summary else TEXT,
            "index": self._details,
            "format": format_of(vendor),
            "signature": mint(vendor, signature),
        }
        return self._chunk(b'"reasoning_details":' + encode([entry]))

    def _whole(self, start: WholePart) -> bytes:
        part = start.part
        if not isinstance(part, RedactedThinking):
            return b""  # what only another dialect knows
        index, self._details = self._details, self._details + 1
        return self._chunk(b'"reasoning_details":' + encode([detail_of(part, index, minted=True)]))

    def _usage_object(self) -> dict[str, object]:
        if self._usage is not None:
            return usage_object(*self._usage)
        return usage_object(Usage(self._view.input_tokens_estimate, self._pieces), 0)


_TEXT_MARK = b"\x00"
"""Where a text is put in for the second time; no JSON holds this byte."""
