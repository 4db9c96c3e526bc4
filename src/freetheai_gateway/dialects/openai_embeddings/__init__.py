"""OpenAI Embeddings (`POST /v1/embeddings`): raw lane only, never streamed."""

import msgspec

from freetheai_gateway.dialects.openai_errors import render_error
from freetheai_gateway.dialects.openai_limits import OPENAI_LIMIT_HEADERS
from freetheai_gateway.dialects.protocol import (
    DialectName,
    MalformedReply,
    RawReply,
    RawRequest,
    RawStream,
    UpstreamSaidError,
)
from freetheai_gateway.dialects.raw_fields import read_model, read_object, require
from freetheai_gateway.dialects.splice import with_top_level_model
from freetheai_gateway.domain.pools import Quirks
from freetheai_gateway.domain.usage import Usage, token_count
from freetheai_gateway.errors import GatewayError
from freetheai_gateway.jsonc import Decoder, InvalidJSON, Raw, write_fields

__all__ = ["OpenAIEmbeddings"]


class _Usage(msgspec.Struct):
    prompt_tokens: int | None = None


class _Reply(msgspec.Struct):
    model: str | None = None
    data: list[Raw] | None = None
    usage: _Usage | None = None
    error: Raw = Raw()


_decode_reply: Decoder[_Reply] = Decoder(_Reply)


class OpenAIEmbeddings:
    """Implements `dialects.protocol.Dialect`."""

    name = DialectName.OPENAI_EMBEDDINGS
    forwarded_headers: tuple[bytes, ...] = ()
    keepalive = b""
    limit_headers = OPENAI_LIMIT_HEADERS

    render_error = staticmethod(render_error)

    @staticmethod
    def parse_request(body: bytes) -> RawRequest:
        """Read a request; raises `InvalidRequest` without a model or an input."""
        fields = read_object(body)
        model = read_model(fields)
        require(fields, "input")
        return RawRequest(fields=fields, model=model, streamed=False, usage_asked=True)

    @staticmethod
    def render_request(
        request: RawRequest, upstream_model: str, quirks: Quirks, default_output_tokens: int | None
    ) -> bytes:
        """Render for the upstream: other model, quirks applied; all else as it came."""
        del default_output_tokens
        fields: dict[str, object] = {**request.fields, "model": upstream_model}
        for name in quirks.drop:
            fields.pop(name, None)
        return write_fields(fields)

    @staticmethod
    def parse_reply(body: bytes, alias: str) -> RawReply:
        """Read the reply; the alias takes the model's place."""
        try:
            reply = _decode_reply(body)
        except InvalidJSON:
            raise MalformedReply("the reply is not JSON of the documented shape") from None
        if bytes(reply.error) not in {b"", b"null"}:
            raise UpstreamSaidError
        if reply.data is None:
            raise MalformedReply("the reply has no data")
        usage = Usage(input_tokens=token_count(reply.usage.prompt_tokens)) if reply.usage is not None else None
        return RawReply(with_top_level_model(body, reply.model, alias), usage, delivered=bool(reply.data))

    @staticmethod
    def render_stream_error(error: GatewayError, request_id: str, reply_id: str = "") -> bytes:
        """Never asked for, but part of the protocol."""
        del reply_id
        return render_error(error, request_id)

    @staticmethod
    def open_stream(request: RawRequest, alias: str) -> RawStream:
        """Never asked for: embeddings are not streamed."""
        del request, alias
        raise MalformedReply("embeddings are not streamed")
