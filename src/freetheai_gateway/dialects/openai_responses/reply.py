"""Whole Responses replies in the raw lane."""

from freetheai_gateway.dialects.openai_responses.wire import Response, decode_response
from freetheai_gateway.dialects.protocol import MalformedReply, RawReply
from freetheai_gateway.dialects.said_error import said_error
from freetheai_gateway.dialects.splice import with_top_level_model
from freetheai_gateway.jsonc import InvalidJSON


def read_response(body: bytes) -> Response:
    """Read a whole reply. Raises `MalformedReply`, `UpstreamSaidError`."""
    try:
        response = decode_response(body)
    except InvalidJSON:
        raise MalformedReply("the reply is not JSON of the documented shape") from None
    if response.failed():
        raise said_error(body)
    if response.output is None:
        raise MalformedReply("the reply has no output")
    return response


def parse_reply(body: bytes, alias: str) -> RawReply:
    """Read a whole reply; the alias takes the model's place, every other byte stays."""
    response = read_response(body)
    return RawReply(
        body=with_top_level_model(body, response.model, alias),
        usage=response.usage.to_usage() if response.usage is not None else None,
        delivered=bool(response.output),
    )
