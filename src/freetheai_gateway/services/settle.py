"""The end of an admitted request: its record is written, its slot freed, exactly once."""

from http import HTTPStatus

from msgspec.structs import replace

from freetheai_gateway.domain.pools import Upstream
from freetheai_gateway.domain.usage import Usage, UsageRecord, cost_micro_usd
from freetheai_gateway.errors import GatewayError, ServerError
from freetheai_gateway.services.ports import Lease, Ledger
from freetheai_gateway.services.trace import Trace

_OK = HTTPStatus.OK
BYTES_PER_TOKEN = 4
"""Of the estimate where an upstream reports no usage: about right for English text."""


class Settlement:
    """Holds the lease of one admitted request until `succeed` or `fail`; what comes first counts."""

    __slots__ = ("_lease", "_ledger", "_request_bytes", "_settled", "_trace", "upstream")

    def __init__(self, lease: Lease, ledger: Ledger, trace: Trace, request_bytes: int) -> None:
        self._lease = lease
        self._ledger = ledger
        self._trace = trace
        self._request_bytes = request_bytes
        self._settled = False
        self.upstream: Upstream | None = None

    def succeed(self) -> None:
        """Record a reply that is complete; call this before its last bytes are sent."""
        self._settle(_OK, "")

    def fail(self, error: GatewayError) -> None:
        """Record a request that ended otherwise, also in mid-stream."""
        self._settle(error.status, error.code)

    def abandon(self) -> None:
        """Record a request that ended without any outcome: a fault of ours. Does nothing after an outcome."""
        self._settle(ServerError.status, ServerError.type)

    def note_usage(self, usage: Usage | None, *, delivered: bool, output_tokens: int, complete: bool = True) -> None:
        """Take over what the reply said it used, or `output_tokens` and the request's size as an estimate.

        A reply that is not complete may not have said all yet: what was delivered is then the least it used.
        Does nothing once the request is settled.
        """
        if self._settled:
            return
        trace = self._trace
        trace.delivered = delivered
        if usage is not None:
            trace.usage = usage
        elif delivered:
            trace.estimated = True
            trace.usage = Usage(
                input_tokens=self._request_bytes // BYTES_PER_TOKEN, output_tokens=max(1, output_tokens)
            )
        if delivered and not complete and trace.usage.output_tokens < output_tokens:
            trace.estimated = True
            trace.usage = replace(trace.usage, output_tokens=output_tokens)

    def _settle(self, status: int, code: str) -> None:
        if self._settled:
            return
        self._settled = True
        trace = self._trace
        trace.status, trace.code = status, code
        trace.outcome = "ok" if status == _OK else trace.outcome or "canceled"
        if self.upstream is not None:
            trace.cost_micro_usd = cost_micro_usd(trace.usage, self.upstream.price, trace.images)
        try:
            self._ledger.append(self._record())
        finally:
            usage = trace.usage
            tokens = usage.input_tokens + usage.output_tokens
            self._lease.settle(delivered=trace.delivered, tokens=tokens, images=trace.images)

    def _record(self) -> UsageRecord:
        trace = self._trace
        caller, usage = trace.caller, trace.usage
        assert caller is not None
        return UsageRecord(
            request_id=trace.request_id,
            started_at=trace.started_wall,
            duration_ms=round(trace.elapsed_s() * 1000),
            account_id=caller.account.id,
            key_id=caller.key_id,
            route=trace.route,
            model=trace.model,
            status=trace.status,
            code=trace.code,
            provider=trace.provider,
            upstream_model=trace.upstream_model,
            success=trace.delivered,
            streamed=trace.streamed,
            estimated=trace.estimated,
            attempts=trace.attempts,
            first_token_ms=trace.first_token_ms(),
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens,
            cached_tokens=usage.cached_tokens,
            reasoning_tokens=usage.reasoning_tokens,
            images=trace.images,
            cost_micro_usd=trace.cost_micro_usd,
        )
