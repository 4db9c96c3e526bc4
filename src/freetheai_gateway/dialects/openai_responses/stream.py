"""Responses events in the raw lane."""

import re

from freetheai_gateway.dialects.event_relay import Fate, Sight
from freetheai_gateway.dialects.openai_responses.wire import (
    DONE,
    FAILURES,
    LAST_EVENTS,
    LIFE_EVENTS,
    Event,
    decode_event,
    decode_kind,
)
from freetheai_gateway.dialects.protocol import MalformedReply
from freetheai_gateway.dialects.said_error import said_error
from freetheai_gateway.jsonc import InvalidJSON

_NAMED = LAST_EVENTS | FAILURES | LIFE_EVENTS


class ResponsesEventReader:
    """Looks into the events of a reply's life; the others pass. Stateless."""

    pattern = re.compile(
        rb'"type"\s*:\s*"(?:response\.(?:created|queued|in_progress|completed|incomplete|failed|cancelled)|error)"'
        rb"|\[DONE\]"
    )
    names_model_in_every_event = False

    __slots__ = ()

    def look(self, data: bytes) -> Sight:
        """Read one event; `response.completed` or `response.incomplete` is the last."""
        if data.startswith(DONE):
            return Sight(fate=Fate.DROP)
        event = _read(data)
        response = event.response
        if event.type in FAILURES or (response is not None and response.failed()):
            raise said_error(data)
        if event.type in LAST_EVENTS and response is None:
            raise MalformedReply("the last event holds no response")
        usage = response.usage if response is not None else None
        return Sight(
            fate=Fate.LAST if event.type in LAST_EVENTS else Fate.PASS,
            model=response.model if response is not None else None,
            reply_id=(response.id or "") if response is not None else "",
            usage=usage.to_usage() if usage is not None else None,
            has_content=event.type.endswith((".delta", "output_item.done")),
        )

    def end_of(self) -> bytes:
        """Never asked for: only the last event finishes a stream."""
        raise MalformedReply("the stream ended without response.completed")


def _read(data: bytes) -> Event:
    """Read an event; of those that are not of a reply's life only the type, whatever else they hold."""
    try:
        kind = decode_kind(data).type
        return decode_event(data) if kind in _NAMED else Event(kind)
    except InvalidJSON:
        raise MalformedReply("an event is not JSON of the documented shape") from None
