"""Chat Completions chunks in the raw lane."""

import re

from freetheai_gateway.dialects.event_relay import Fate, Sight
from freetheai_gateway.dialects.openai_chat.wire import decode_reply
from freetheai_gateway.dialects.protocol import MalformedReply
from freetheai_gateway.dialects.said_error import said_error
from freetheai_gateway.jsonc import InvalidJSON
from freetheai_gateway.sse import data_event

DONE = b"[DONE]"


class ChatEventReader:
    """Looks into chunks; stateless but for whether the client asked to see usage."""

    pattern = re.compile(rb'"usage"\s*:\s*\{|"error"\s*:|"finish_reason"\s*:\s*"|\[DONE\]')
    names_model_in_every_event = True

    __slots__ = ("_show_usage",)

    def __init__(self, *, show_usage: bool) -> None:
        self._show_usage = show_usage

    def look(self, data: bytes) -> Sight:
        """Read one chunk; the usage chunk that only the gateway asked for is dropped."""
        if data.startswith(DONE):
            return Sight(fate=Fate.LAST, finished=True)
        try:
            chunk = decode_reply(data)
        except InvalidJSON:
            raise MalformedReply("a chunk is not JSON of the documented shape") from None
        if chunk.failed():
            raise said_error(data)
        usage = chunk.told_usage()
        only_usage = bytes(chunk.usage).startswith(b"{") and not chunk.choices
        return Sight(
            fate=Fate.DROP if only_usage and not self._show_usage else Fate.PASS,
            model=chunk.model_name,
            usage=usage,
            has_content=chunk.has_content(),
            finished=any(bool(choice.finish_reason) for choice in chunk.choices or ()),
        )

    def end_of(self) -> bytes:
        """Give the terminator that OpenAI's SDKs wait for."""
        return data_event(DONE)
