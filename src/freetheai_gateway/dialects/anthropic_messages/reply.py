"""Whole Messages replies in the raw lane."""

from freetheai_gateway.dialects.anthropic_messages.wire import UsageTally, decode_message
from freetheai_gateway.dialects.protocol import MalformedReply, RawReply
from freetheai_gateway.dialects.said_error import said_error
from freetheai_gateway.dialects.splice import with_top_level_model
from freetheai_gateway.jsonc import InvalidJSON


def parse_reply(body: bytes, alias: str) -> RawReply:
    """Read a whole reply; the alias takes the model's place, every other byte stays."""
    try:
        reply = decode_message(body)
    except InvalidJSON:
        raise MalformedReply("the reply is not JSON of the documented shape") from None
    if reply.type == "error":
        raise said_error(body)
    if reply.content is None:
        raise MalformedReply("the reply has no content")
    return RawReply(
        body=with_top_level_model(body, reply.model, alias),
        usage=UsageTally().take(reply.usage) if reply.usage is not None else None,
        delivered=bool(reply.content),
    )
