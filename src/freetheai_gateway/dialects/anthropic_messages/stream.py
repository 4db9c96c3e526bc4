"""Messages events in the raw lane."""

import re

from freetheai_gateway.dialects.anthropic_messages.wire import UsageTally, decode_event
from freetheai_gateway.dialects.event_relay import Fate, Sight
from freetheai_gateway.dialects.protocol import MalformedReply
from freetheai_gateway.dialects.said_error import said_error
from freetheai_gateway.jsonc import InvalidJSON

_CONTENT = frozenset({"content_block_start", "content_block_delta"})


class MessagesEventReader:
    """Looks into events; keeps the usage so far, because counts come in `message_start` and `message_delta`."""

    pattern = re.compile(rb'"type"\s*:\s*"(?:message_|error")|"usage"\s*:\s*\{')
    names_model_in_every_event = False

    __slots__ = ("_tally",)

    def __init__(self) -> None:
        self._tally = UsageTally()

    def look(self, data: bytes) -> Sight:
        """Read one event; `message_stop` is the last."""
        try:
            event = decode_event(data)
        except InvalidJSON:
            raise MalformedReply("an event is not JSON of the documented shape") from None
        if event.type == "error":
            raise said_error(data)
        usage = event.usage or (event.message.usage if event.message is not None else None)
        return Sight(
            fate=Fate.LAST if event.type == "message_stop" else Fate.PASS,
            model=event.message.model if event.message is not None else None,
            usage=self._tally.take(usage) if usage is not None else None,
            has_content=event.type in _CONTENT,
        )

    def end_of(self) -> bytes:
        """Never asked for: only `message_stop` finishes a stream, and it is the last event."""
        raise MalformedReply("the stream ended without message_stop")
