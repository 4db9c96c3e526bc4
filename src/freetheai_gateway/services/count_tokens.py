"""`count_tokens`: how long a request is, asked of an upstream that can say, else estimated. Counts as no request."""

from http import HTTPStatus

import msgspec

from freetheai_gateway.clock import Clock
from freetheai_gateway.dialects.anthropic_messages import AnthropicMessages
from freetheai_gateway.dialects.complaint import parse_complaint
from freetheai_gateway.dialects.protocol import ClientTranslator, DialectName, MalformedReply, RawRequest
from freetheai_gateway.dialects.token_estimate import estimate_tokens
from freetheai_gateway.domain.accounts import Caller
from freetheai_gateway.domain.catalogue import Model, ModelKind
from freetheai_gateway.domain.pools import Upstream
from freetheai_gateway.domain.usage import token_count
from freetheai_gateway.jsonc import Decoder, InvalidJSON, encode, write_fields
from freetheai_gateway.services.admit import Admission, check_access
from freetheai_gateway.services.attempts import take_one
from freetheai_gateway.services.body import MAX_ERROR_BYTES, Body
from freetheai_gateway.services.completions import Sent
from freetheai_gateway.services.directory import Directory, Offer
from freetheai_gateway.services.ports import ProviderCall, Readiness, UpstreamClient, UpstreamFailed, UpstreamRequest
from freetheai_gateway.services.provider_errors import from_complaint, from_fault, from_transport
from freetheai_gateway.services.trace import Trace

OPERATION = "/count_tokens"
_NOT_OFFERED = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.NOT_IMPLEMENTED})


class TokenCounter:
    """Answers with the bytes of `{"input_tokens": N}`."""

    def __init__(
        self,
        directory: Directory,
        admission: Admission,
        client: UpstreamClient,
        translator: ClientTranslator,
        clock: Clock,
    ) -> None:
        self._directory = directory
        self._admission = admission
        self._client = client
        self._translator = translator
        self._clock = clock

    async def count(self, sent: Sent, caller: Caller, trace: Trace) -> bytes:
        """Count one request. Raises the `GatewayError` that the client is to see."""
        request = AnthropicMessages.parse_request(sent.body)
        offer = self._directory.offer
        model = offer.find_model(request.model, ModelKind.CHAT)
        trace.model = model.id
        self._admission.check_account(caller, offer)
        is_set_up = offer.is_set_up(model, unlimited=caller.account.unlimited)
        check_access(caller, model, offer, offer.tier_of(caller.account), is_set_up=is_set_up)
        upstream = _native(model, offer, unlimited=caller.account.unlimited)
        if upstream is not None:
            counted = await self._ask(upstream, request, sent, offer, trace)
            if counted is not None:
                return counted
        return encode({"input_tokens": estimate_tokens(self._translator.parse(sent.body))})

    async def _ask(
        self, upstream: Upstream, request: RawRequest, sent: Sent, offer: Offer, trace: Trace
    ) -> bytes | None:
        """Ask an upstream that speaks Messages; `None` where it does not offer to count, or may not be called now."""
        body = write_fields(request.fields | {"model": upstream.model})
        call = ProviderCall(
            DialectName.ANTHROPIC_MESSAGES,
            upstream.model,
            body,
            streamed=False,
            headers=sent.headers,
            operation=OPERATION,
        )
        place = take_one(upstream, offer.fleet, self._clock)
        if place is None:
            return None
        trace.provider, trace.upstream_model = upstream.provider, upstream.model
        try:
            return await self._count(offer.providers[upstream.provider].call(call, place.key.index), trace)
        finally:
            place.leave()

    async def _count(self, call: UpstreamRequest, trace: Trace) -> bytes | None:
        try:
            reply = await self._client.send(call)
        except UpstreamFailed as failed:
            raise from_transport(failed, trace) from failed
        try:
            if reply.status in _NOT_OFFERED:
                return None
            answer = await Body(reply).read_all(MAX_ERROR_BYTES)
        except UpstreamFailed as failed:
            raise from_transport(failed, trace) from failed
        except MalformedReply:
            return None
        finally:
            reply.close()
        if reply.status != HTTPStatus.OK:
            raise from_complaint(parse_complaint(reply.status, answer), reply, self._clock.wall(), trace)
        try:
            counted = _decode_count(answer)
        except InvalidJSON as fault:
            raise from_fault(MalformedReply("the count is not JSON of the documented shape"), trace) from fault
        return encode({"input_tokens": token_count(counted.input_tokens)})


class _Count(msgspec.Struct):
    input_tokens: int


_decode_count: Decoder[_Count] = Decoder(_Count)


def _native(model: Model, offer: Offer, *, unlimited: bool) -> Upstream | None:
    for upstream in offer.upstreams_of(model, unlimited=unlimited):
        provider = offer.providers[upstream.provider]
        if DialectName.ANTHROPIC_MESSAGES in provider.dialects and provider.readiness() is Readiness.READY:
            return upstream
    return None
