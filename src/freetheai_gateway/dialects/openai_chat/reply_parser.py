"""An upstream's chat reply as neutral events, whole or streamed.

The first tool call is given out as it arrives. Whatever comes beside it (other calls, text, reasoning) is held back
until the reply's end, since more of the first call may still come: no parsable beginning says that it is complete.
"""

from freetheai_gateway.dialects.openai_chat import message_pieces, part_sequence
from freetheai_gateway.dialects.openai_chat.finish_reasons import read_finish
from freetheai_gateway.dialects.openai_chat.message_pieces import Said, pieces_of, said_in
from freetheai_gateway.dialects.openai_chat.part_sequence import PartSequence
from freetheai_gateway.dialects.openai_chat.reply_wire import (
    ChoiceWire,
    MessageWire,
    ReplyWire,
    decode_reply,
    text_of,
)
from freetheai_gateway.dialects.openai_chat.stream import DONE
from freetheai_gateway.dialects.openai_chat.tool_slots import MAX_HELD_CHARACTERS, Slot, ToolSlots
from freetheai_gateway.dialects.openai_chat.usage import read_groq, read_usage
from freetheai_gateway.dialects.openai_chat.wire import ABSENT, FALSY, says_failure
from freetheai_gateway.dialects.protocol import Fault, MalformedReply, RenderedRequest, UpstreamSaidError, anew
from freetheai_gateway.dialects.said_error import said_error
from freetheai_gateway.domain.events import (
    Delta,
    Event,
    Finished,
    PartStart,
    Started,
    StopReason,
    ToolCallStarted,
    UsageReported,
)
from freetheai_gateway.domain.usage import Usage
from freetheai_gateway.jsonc import InvalidJSON
from freetheai_gateway.sse import EventCutter, EventTooLarge, event_data, split_events

_STARTS: dict[str, PartStart] = {
    message_pieces.TEXT: part_sequence.TEXT,
    message_pieces.REFUSAL: part_sequence.REFUSAL,
    message_pieces.THINKING: part_sequence.THINKING,
    message_pieces.SUMMARY: part_sequence.SUMMARY,
}
_NOT_JSON = "the reply is not JSON of the documented shape"


class ChatReplyParser:
    """Implements `dialects.protocol.ReplyParser`."""

    def __init__(self, rendered: RenderedRequest) -> None:
        self._names = rendered.names
        self._cutter = EventCutter()
        self._parts = PartSequence()
        self._slots = ToolSlots()
        self._live: Slot | None = None
        self._held: list[Said] = []
        self._held_characters = 0
        self._started: Started | None = None
        self._usage: tuple[Usage, int] | None = None
        self._reason: StopReason | None = None
        self._done = False
        self._ended = False
        self._failure: Fault | None = None

    def feed(self, data: bytes) -> list[Event]:
        """Take bytes of a stream; gives `Finished` when the terminator came."""
        self._check()
        if self._ended:
            return []
        try:
            self._take_block(self._cutter.feed(data))
            if self._done:
                self._finish()
        except EventTooLarge:
            self._failure = MalformedReply("an event is too large")
        except (MalformedReply, UpstreamSaidError) as failure:
            self._failure = anew(failure)
        return self._given()

    def finish(self) -> list[Event]:
        """Take the clean end of a stream: without a terminator it is one if the finish reason came."""
        self._check()
        if self._ended:
            return []
        held = self._cutter.held
        if self._started is None and held.lstrip().startswith(b"{"):
            return self.parse_whole(held)
        self._take_last(held)
        if not self._done and self._reason is None:
            raise MalformedReply("the stream ended before the reply was complete")
        self._finish()
        return self._given()

    def parse_whole(self, body: bytes) -> list[Event]:
        """Read a whole reply; also one that came as a stream though none was asked for."""
        if body.lstrip().startswith((b"data:", b":", b"event:")):
            events = self.feed(body)
            return events + self.finish()
        self._take_reply(reply := self._decode(body))
        choice = _first(reply.choices)
        message = (choice.message or choice.delta) if choice is not None else None
        if choice is None or message is None:
            raise MalformedReply("the reply has no choices")
        self._take_choice(reply, choice)
        self._finish()
        return self._given()

    def _check(self) -> None:
        if self._failure is not None:
            raise anew(self._failure)

    def _given(self) -> list[Event]:
        """Give what was collected; a failure without good events before it is raised at once."""
        events, self._parts.out = self._parts.out, []
        if not events:
            self._check()
        return events

    def _take_block(self, block: bytes) -> None:
        for event in split_events(block):
            data = event_data(event)
            if data is None or not data.strip():
                continue
            if data.startswith(DONE):
                self._done = True
                return
            self._take_reply(reply := self._decode(data))
            choice = _first(reply.choices)
            if choice is not None:
                self._take_choice(reply, choice)

    def _take_last(self, held: bytes) -> None:
        """Take an event that the upstream did not end with an empty line; half of one is passed over."""
        if not held.strip():
            return
        try:
            self._take_block(held + b"\n\n")
        except MalformedReply:
            return  # cut off in mid-event: whether the reply is complete is decided by what came before

    @staticmethod
    def _decode(data: bytes) -> ReplyWire:
        try:
            return decode_reply(data)
        except InvalidJSON:
            raise _not_a_reply(data) from None

    def _take_reply(self, reply: ReplyWire) -> None:
        if (reply.error is not ABSENT and bytes(reply.error) not in FALSY) or reply.form == "error":
            raise said_error(bytes(reply.error) if reply.error is not ABSENT else b"")
        if reply.base_resp is not ABSENT and says_failure(reply.base_resp):
            raise UpstreamSaidError
        if reply.usage is not ABSENT:
            self._usage = read_usage(reply.usage) or self._usage
        elif reply.x_groq is not ABSENT:
            self._usage = read_groq(reply.x_groq) or self._usage

    def _take_choice(self, reply: ReplyWire, choice: ChoiceWire) -> None:
        if choice.error is not ABSENT and bytes(choice.error) not in FALSY:
            raise said_error(bytes(choice.error))
        if choice.usage is not ABSENT:
            self._usage = read_usage(choice.usage) or self._usage
        message = choice.delta or choice.message
        if message is not None:
            if self._started is None:
                self._start(reply)
            self._take_message(message)
        if choice.finish_reason is not None:
            self._reason = read_finish(choice.finish_reason) or self._reason

    def _start(self, reply: ReplyWire) -> None:
        created = reply.created if isinstance(reply.created, int) else 0
        self._started = Started(text_of(reply.id), text_of(reply.model), created)
        self._parts.out.append(self._started)

    def _take_message(self, message: MessageWire) -> None:
        for said in said_in(message):
            if not said[1]:
                continue
            if not self._slots.slots:
                self._say(said)
            else:
                self._hold(said)
        if message.tool_calls is not ABSENT or message.function_call is not ABSENT:
            pieces = pieces_of(message)
            if pieces:
                self._slots.add(pieces)
                self._stream_first_call()

    def _say(self, said: Said) -> None:
        kind, text = said
        if kind == message_pieces.SIGNATURE:
            self._parts.sign(text)
        elif kind == message_pieces.REDACTED:
            self._parts.redacted(text)
        else:
            self._parts.say(_STARTS[kind], text)

    def _hold(self, said: Said) -> None:
        self._held.append(said)
        self._held_characters += len(said[1])
        if self._held_characters > MAX_HELD_CHARACTERS:
            raise MalformedReply("what came beside the tool calls is too long")

    def _stream_first_call(self) -> None:
        slot = self._slots.slots[0]
        if not slot.name:
            return
        if self._live is None:
            self._live = slot
            self._parts.begin(self._call(slot))
        if text := slot.take():
            self._parts.out.append(Delta(self._parts.count - 1, text))

    def _call(self, slot: Slot) -> ToolCallStarted:
        started = self._started or Started("", "")
        seed = f"{started.id}:{started.model}:{started.created}:{slot.name}"
        call_id = self._slots.id_of(slot, seed)
        return ToolCallStarted(call_id, self._names.get(slot.name, slot.name), slot.kind, signature=slot.signature)

    def _finish(self) -> None:
        """Give out what was held, then usage and the end."""
        named = [slot for slot in self._slots.slots if slot.name]
        for slot in named:
            if slot is not self._live:
                self._parts.call(self._call(slot), slot.take())
        self._parts.end()
        for said in self._held:
            self._say(said)
        self._held.clear()
        self._parts.close()
        if self._started is None:
            raise MalformedReply("the reply has no choices")
        if self._reason is None and not self._parts.count:
            raise MalformedReply("the reply is empty and does not say that it is finished")
        if self._usage is not None:
            self._parts.out.append(UsageReported(*self._usage))
        self._parts.out.append(Finished(self._final_reason(named)))
        self._ended = True

    def _final_reason(self, named: list[Slot]) -> StopReason:
        """Give the reason: calls were made whatever the upstream says, unless the cap cut the last one off."""
        reason = self._reason or StopReason.END
        if named:
            is_cut = reason is StopReason.LENGTH and named[-1].end.begun and not named[-1].end.reached
            return reason if is_cut else StopReason.TOOL_CALLS
        return StopReason.END if reason is StopReason.TOOL_CALLS else reason


def _first(choices: list[ChoiceWire] | None) -> ChoiceWire | None:
    """Give choice 0; what other choices say reaches nobody."""
    for choice in choices or ():
        if not isinstance(choice.index, int) or choice.index == 0:
            return choice
    return None


def _not_a_reply(data: bytes) -> MalformedReply | UpstreamSaidError:
    """Tell an error of another shape (`[{"error":…}]`) from bytes that are nothing known."""
    return UpstreamSaidError() if data.lstrip().startswith(b'[{"error"') else MalformedReply(_NOT_JSON)
