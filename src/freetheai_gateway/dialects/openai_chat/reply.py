"""Whole Chat Completions replies in the raw lane."""

from freetheai_gateway.dialects.openai_chat.wire import decode_reply
from freetheai_gateway.dialects.protocol import MalformedReply, RawReply
from freetheai_gateway.dialects.said_error import said_error
from freetheai_gateway.dialects.splice import with_top_level_model
from freetheai_gateway.jsonc import InvalidJSON


def parse_reply(body: bytes, alias: str) -> RawReply:
    """Read a whole reply; the alias takes the model's place, every other byte stays."""
    try:
        reply = decode_reply(body)
    except InvalidJSON:
        raise MalformedReply("the reply is not JSON of the documented shape") from None
    if reply.failed():
        raise said_error(body)
    if reply.choices is None:
        raise MalformedReply("the reply has no choices")
    return RawReply(
        body=with_top_level_model(body, reply.model_name, alias),
        usage=reply.told_usage(),
        delivered=reply.has_content(),
    )
