"""What is kept in mind of finished requests: metrics for operators, health for everyone."""

from collections.abc import Mapping, Sequence

from freetheai_gateway.clock import Clock
from freetheai_gateway.domain.health import HealthSnapshot, PrefixHealth, Status, Thresholds, prefix_of, verdict_of
from freetheai_gateway.errors import KNOWN_CODES
from freetheai_gateway.metrics import Metrics
from freetheai_gateway.services.trace import Trace

FOREIGN_CODE = "upstream"
"""Stands in labels for a code that an upstream made up."""
Health = Mapping[str, HealthSnapshot]
"""What one process knows, by prefix."""

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


class _RouteSums:
    """What is counted of requests that are alike in everything that their labels say."""

    __slots__ = ("overhead", "requests", "seconds")

    def __init__(self, metrics: Metrics, route: str, model: str, status: int, code: str, streamed: bool) -> None:  # noqa: FBT001, PLR0917 - the parts of a key
        route = route or "none"
        self.requests = metrics.requests.sum_of((route, model, str(status), code))
        self.seconds = metrics.request_seconds.row_of((route, "true" if streamed else "false"))
        self.overhead = metrics.overhead_seconds.row_of((route,))


class _UpstreamSums:
    """The same of calls to upstreams."""

    __slots__ = ("attempts", "cached", "cost_usd", "first_token", "input", "output", "reasoning")

    def __init__(self, metrics: Metrics, provider: str, model: str, outcome: str) -> None:
        self.attempts = metrics.upstream_attempts.sum_of((provider, model, outcome))
        self.first_token = metrics.first_token_seconds.row_of((model,))
        self.input = metrics.tokens.sum_of((model, "input"))
        self.output = metrics.tokens.sum_of((model, "output"))
        self.cached = metrics.tokens.sum_of((model, "cached"))
        self.reasoning = metrics.tokens.sum_of((model, "reasoning"))
        self.cost_usd = metrics.cost_usd.sum_of((provider,))


class Observer:
    """Takes in every finished request. Nothing of it may depend on what a client wrote."""

    def __init__(self, metrics: Metrics, thresholds: Thresholds, clock: Clock) -> None:
        self._metrics = metrics
        self._clock = clock
        self._prefixes: dict[str, PrefixHealth] = {}
        self._routes: dict[tuple[str, str, int, str, bool], _RouteSums] = {}
        self._upstreams: dict[tuple[str, str, str], _UpstreamSums] = {}
        self._joined: dict[str, PrefixHealth] = {}
        self.thresholds = thresholds

    def finished(self, trace: Trace) -> None:
        """Count a request that has ended; called once per request, after its last byte."""
        model, status, code = trace.model, trace.status, trace.code
        if code and code not in KNOWN_CODES:
            code = FOREIGN_CODE
        kind = (trace.route, model, status, code, trace.streamed)
        sums = self._routes.get(kind)
        if sums is None:
            sums = self._routes[kind] = _RouteSums(self._metrics, *kind)
        sums.requests.value += 1
        sums.seconds.observe(trace.elapsed_s())
        sums.overhead.observe(trace.own_s)
        if trace.attempts:
            self._count_upstream(trace)
        elif status in {401, 403, 429}:
            self._metrics.refusals.add((code,))
        for field in trace.dropped:
            self._metrics.dropped_fields.add((*trace.lane, field if field in DOCUMENTED_FIELDS else "other"))
        if model:
            self._judge(trace)

    def health_of(self, prefix: str) -> PrefixHealth:
        """Give the record of a prefix, of the whole node; an empty one where nothing was called yet."""
        return self._joined.get(prefix) or self._prefixes.get(prefix) or PrefixHealth()

    def snapshot(self) -> Health:
        """Copy what this process knows of every prefix."""
        return {prefix: health.snapshot() for prefix, health in self._prefixes.items()}

    def join(self, others: Sequence[Health]) -> None:
        """Take in what the other processes of the node know; it stands until the next time."""
        if not others and not self._joined:
            return
        verdicts = {prefix: health.snapshot().verdict_only() for prefix, health in self._joined.items()}
        processes = [self.snapshot(), *others, verdicts]
        prefixes = {prefix for process in processes for prefix in process}
        self._joined = {
            prefix: PrefixHealth.joined(process[prefix] for process in processes if prefix in process)
            for prefix in prefixes
        }

    def statuses(self, prefixes: list[str]) -> Mapping[str, Status]:
        """Judge prefixes now."""
        now = self._clock.wall()
        return {prefix: self.health_of(prefix).status(now, self.thresholds) for prefix in prefixes}

    def _count_upstream(self, trace: Trace) -> None:
        usage = trace.usage
        kind = (trace.provider, trace.model, trace.outcome)
        sums = self._upstreams.get(kind)
        if sums is None:
            sums = self._upstreams[kind] = _UpstreamSums(self._metrics, *kind)
        sums.attempts.value += 1
        for provider, outcome in trace.failed_attempts:
            self._metrics.upstream_attempts.add((provider, trace.model, outcome))
        if trace.first_token_at is not None:
            sums.first_token.observe(trace.first_token_at - trace.started_at)
        sums.input.value += usage.input_tokens
        sums.output.value += usage.output_tokens
        sums.cached.value += usage.cached_tokens
        sums.reasoning.value += usage.reasoning_tokens
        sums.cost_usd.value += trace.cost_micro_usd / 1_000_000

    def _judge(self, trace: Trace) -> None:
        verdict = verdict_of(trace.status, trace.code, trace.attempts)
        if verdict is None:
            return
        prefix = prefix_of(trace.model)
        health = self._prefixes.get(prefix)
        if health is None:
            health = self._prefixes[prefix] = PrefixHealth()
        now, first = self._clock.wall(), trace.first_token_at
        health.record(now, succeeded=verdict, wait_s=None if first is None else first - trace.started_at)
        health.keep_judged(now, self.thresholds)
