"""What is kept in mind of finished requests: metrics for operators, health for everyone."""

from collections.abc import Mapping

from freetheai_gateway.clock import Clock
from freetheai_gateway.domain.health import PrefixHealth, Status, Thresholds, prefix_of
from freetheai_gateway.errors import KNOWN_CODES
from freetheai_gateway.metrics import Metrics
from freetheai_gateway.services.trace import Trace

FOREIGN_CODE = "upstream"
"""Stands in labels for a code that an upstream made up."""
_NOT_THE_PROVIDERS_FAULT = frozenset({"database_unavailable", "not_configured", "restarting"})


DOCUMENTED_FIELDS = frozenset(
    [
        "audio",
        "cache_control",
        "container",
        "context_management",
        "conversation",
        "diagnostics",
        "fallbacks",
        "frequency_penalty",
        "functions",
        "function_call",
        "include",
        "inference_geo",
        "logit_bias",
        "logprobs",
        "max_completion_tokens",
        "max_output_tokens",
        "max_tokens",
        "max_tool_calls",
        "mcp_servers",
        "messages",
        "metadata",
        "modalities",
        "moderation",
        "n",
        "output_config",
        "parallel_tool_calls",
        "prediction",
        "presence_penalty",
        "prompt",
        "prompt_cache_key",
        "prompt_cache_options",
        "prompt_cache_retention",
        "reasoning",
        "reasoning_effort",
        "response_format",
        "safety_identifier",
        "seed",
        "service_tier",
        "speed",
        "stop",
        "stop_sequences",
        "store",
        "stream_options",
        "system",
        "temperature",
        "text",
        "thinking",
        "tool_choice",
        "tools",
        "top_k",
        "top_logprobs",
        "top_p",
        "truncation",
        "user",
        "verbosity",
        "web_search_options",
    ]
)
"""Top-level request fields that a provider documents: what may stand in the label of a dropped field."""


class Observer:
    """Takes in every finished request. Nothing of it may depend on what a client wrote."""

    def __init__(self, metrics: Metrics, thresholds: Thresholds, clock: Clock) -> None:
        self._metrics = metrics
        self._clock = clock
        self._prefixes: dict[str, PrefixHealth] = {}
        self.thresholds = thresholds

    def finished(self, trace: Trace) -> None:
        """Count a request that has ended; called once per request, after its last byte."""
        metrics, model = self._metrics, trace.model
        code = trace.code if trace.code in KNOWN_CODES or not trace.code else FOREIGN_CODE
        route = trace.route or "none"
        metrics.requests.add((route, model, str(trace.status), code))
        metrics.request_seconds.observe((route, "true" if trace.streamed else "false"), trace.elapsed_s())
        metrics.overhead_seconds.observe((route,), trace.own_s)
        if trace.attempts:
            self._count_upstream(trace)
        elif trace.status in {401, 403, 429}:
            metrics.refusals.add((code,))
        for field in trace.dropped:
            metrics.dropped_fields.add((*trace.lane, field if field in DOCUMENTED_FIELDS else "other"))
        if model:
            self._judge(trace)

    def health_of(self, prefix: str) -> PrefixHealth:
        """Give the record of a prefix; an empty one where nothing was called yet."""
        return self._prefixes.get(prefix) or PrefixHealth()

    def statuses(self, prefixes: list[str]) -> Mapping[str, Status]:
        """Judge prefixes now."""
        now = self._clock.wall()
        return {prefix: self.health_of(prefix).status(now, self.thresholds) for prefix in prefixes}

    def _count_upstream(self, trace: Trace) -> None:
        metrics, model, usage = self._metrics, trace.model, trace.usage
        metrics.upstream_attempts.add((trace.provider, model, trace.outcome))
        if trace.first_token_at is not None:
            metrics.first_token_seconds.observe((model,), trace.first_token_at - trace.started_at)
        if usage.input_tokens or usage.output_tokens:
            metrics.tokens.add((model, "input"), usage.input_tokens)
            metrics.tokens.add((model, "output"), usage.output_tokens)
            if usage.cached_tokens:
                metrics.tokens.add((model, "cached"), usage.cached_tokens)
            if usage.reasoning_tokens:
                metrics.tokens.add((model, "reasoning"), usage.reasoning_tokens)
        if trace.cost_micro_usd:
            metrics.cost_usd.add((trace.provider,), trace.cost_micro_usd / 1_000_000)

    def _judge(self, trace: Trace) -> None:
        failed = trace.status >= 500 and trace.code not in _NOT_THE_PROVIDERS_FAULT
        if not failed and not (trace.status == 200 and trace.attempts):
            return
        prefix = prefix_of(trace.model)
        health = self._prefixes.get(prefix)
        if health is None:
            health = self._prefixes[prefix] = PrefixHealth()
        now = self._clock.wall()
        health.record(now, succeeded=not failed)
        health.keep_judged(now, self.thresholds)
