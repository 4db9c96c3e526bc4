"""`/v1/health` and `/metrics` by the running server: the same traffic, seen by everyone and by the operator."""

import re
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor

import pytest
from prometheus_client.parser import text_string_to_metric_families

from freetheai_gateway.testing.upstream import ScriptedUpstream
from tests.e2e.configuration import ABOVE, MEMBER, MODEL, STARTER, Plan, render
from tests.e2e.conftest import Launch
from tests.e2e.gateway import Gateway, eventually
from tests.e2e.wire import CHAT, Object, call, chat, chat_body, connected, hang_up, prompt, raw_request, read_until

UP, SHAKY, DOWN, CUT, FAULTY, QUIET = "up/m", "shaky/m", "down/m", "cut/m", "faulty/m", "quiet/m"
MINIMUM = 4
TRAFFIC = {
    UP: ["plain"] * 5,
    SHAKY: ["plain"] * 3 + ["status?code=500"],
    DOWN: ["status?code=503", "cut-before-head", "bad-json", "plain"],
    CUT: ["cut-mid-stream", "error-mid-stream", "cut-mid-event", "plain"],
    FAULTY: ["status?code=400", "context-length", "content-policy", "status?code=422"],
    QUIET: ["status?code=500"] * (MINIMUM - 1),
}
"""What the upstream plays for each model, request by request."""
COUNTS = {
    UP: ("up", 5, 0),
    SHAKY: ("degraded", 3, 1),
    DOWN: ("down", 1, 3),
    CUT: ("down", 1, 3),
    FAULTY: ("unknown", 0, 0),
    QUIET: ("unknown", 0, 3),
}
"""Status, successes and errors that follow; the shares of errors are 0, a quarter and three quarters."""
CONFIG = """
[health]
minimum_requests = 4
degraded_from = 0.25
down_from = 0.75
"""
METRICS = {
    "freetheai_requests": {"route", "model", "status", "code"},
    "freetheai_request_seconds": {"route", "streamed", "le"},
    "freetheai_overhead_seconds": {"route", "le"},
    "freetheai_first_token_seconds": {"model", "le"},
    "freetheai_tokens": {"model", "kind"},
    "freetheai_upstream_attempts": {"provider", "model", "outcome"},
    "freetheai_upstream_in_flight": {"provider"},
    "freetheai_refusals": {"code"},
    "freetheai_open_streams": set(),
    "freetheai_journal_pending_records": set(),
    "freetheai_limits_backend_up": set(),
}
"""Of the contract: what this traffic must have left a sample of, with its labels."""

Samples = Mapping[tuple[str, frozenset[tuple[str, str]]], float]


def model(alias: str) -> str:
    """Write a model; the upstream knows it by a name of its own, for which a test plays something."""
    name = alias.partition("/")[0]
    return f'\n[[models]]\nid = "{alias}"\n[[models.upstreams]]\nprovider = "scripted"\nmodel = "{name}"\n'


@pytest.fixture(scope="module")
def seen(upstream_server: ScriptedUpstream, launch: Launch) -> Iterator[Gateway]:
    """Run a gateway that has had its traffic, and whose records are all in the database."""
    config = render(Plan(upstream_server.base_url)) + CONFIG + "".join(map(model, TRAFFIC))
    with launch(config) as gateway:
        send_traffic(gateway, upstream_server)
        upstream_server.forget()
        yield gateway


def send_traffic(gateway: Gateway, upstream: ScriptedUpstream) -> None:
    """Play everything, then what clients get wrong."""
    keys = gateway.create_keys({"operator": None, "starter": STARTER, "member": MEMBER})
    for alias, plays in TRAFFIC.items():
        for play in plays:
            upstream.play(alias.partition("/")[0], play)
            chat(gateway, keys["operator"], alias, stream=alias == CUT)
    assert chat(gateway, keys["member"], ABOVE).status == 403
    assert call(gateway, "POST", CHAT, body=chat_body(UP)).status == 401
    assert chat(gateway, keys["operator"], "no/such").status == 400
    with ThreadPoolExecutor(4) as pool:
        statuses = list(pool.map(lambda _: chat(gateway, keys["starter"], UP).status, range(15)))
    assert {200, 429} == set(statuses)
    upstream.play("scripted", "silence-mid-stream")
    with connected(gateway) as plain:
        plain.sendall(raw_request(keys["operator"], chat_body(MODEL, stream=True)))
        read_until(plain, b"Hello")
        hang_up(plain)
    eventually(lambda: any(line["status"] == 499 for line in gateway.log_lines()), "the client's leave is logged")
    eventually(lambda: sample(samples(gateway), "freetheai_journal_pending_records") == 0, "the records are stored")


def samples(gateway: Gateway) -> Samples:
    """Read the metrics."""
    text = call(gateway, "GET", "/metrics").body.decode()
    return {
        (each.name, frozenset(each.labels.items())): each.value
        for family in text_string_to_metric_families(text)
        for each in family.samples
    }


def sample(found: Samples, name: str, **labels: str) -> float:
    """Read one sample; 0 where there is none."""
    return found.get((name, frozenset(labels.items())), 0.0)


def providers(gateway: Gateway) -> dict[str, Object]:
    """Read the health of each prefix."""
    listed = call(gateway, "GET", "/v1/health").json()["providers"]
    assert isinstance(listed, list)
    return {entry["prefix"]: entry for entry in listed}


def answered_up(gateway: Gateway) -> int:
    """Count the answers of the model that is up, as the log has them."""
    return sum(line["status"] == 200 and line.get("model") == UP for line in gateway.log_lines())


def test_health_when_read_then_every_key_of_the_contract_is_there(seen: Gateway) -> None:
    """Public, cacheable, and naming no upstream and no user."""
    reply = call(seen, "GET", "/v1/health", headers={"origin": "https://status.example"})
    body = reply.json()
    assert reply.headers["cache-control"] == "public, max-age=10"
    assert reply.headers["access-control-allow-origin"] == "*"
    assert list(body) == ["status", "generated_at", "catalog", "total_tokens_served", "thresholds", "providers"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", str(body["generated_at"]))
    assert body["catalog"] == {"model_count": 12, "available_count": 11}
    assert body["thresholds"] == {"minimum_requests": MINIMUM, "degraded_from": 0.25, "down_from": 0.75}
    assert list(providers(seen)["up"]) == [
        "prefix", "status", "model_count", "requests_30m", "successes_30m", "errors_30m", "error_rate_30m",
        "requests_60m", "successes_60m", "errors_60m", "error_rate_60m", "last_success_at", "last_error_at",
        "first_content_p50_ms_30m", "first_content_p95_ms_30m",
        "first_content_p50_ms_60m", "first_content_p95_ms_60m",
    ]  # fmt: skip
    assert b"scripted" not in reply.body
    assert b"127.0.0.1" not in reply.body
    assert b"acc_" not in reply.body


@pytest.mark.parametrize("alias", [SHAKY, DOWN, CUT, FAULTY, QUIET])
def test_prefix_when_providers_fail_then_it_is_judged_by_5xx_and_cut_streams_alone(seen: Gateway, alias: str) -> None:
    """A share that reaches a threshold has crossed it; what clients get wrong is not counted; few are no judgement."""
    status, successes, errors = COUNTS[alias]
    entry = providers(seen)[alias.partition("/")[0]]
    requests = successes + errors
    for window in ("30m", "60m"):
        assert entry[f"requests_{window}"] == requests
        assert (entry[f"successes_{window}"], entry[f"errors_{window}"]) == (successes, errors)
        assert entry[f"error_rate_{window}"] == (errors / requests if requests else 0.0)
    assert (entry["status"], entry["model_count"]) == (status, 1)
    assert (entry["last_success_at"] is None, entry["last_error_at"] is None) == (successes == 0, errors == 0)


def test_prefix_when_only_clients_were_wrong_then_it_is_up(seen: Gateway) -> None:
    """Refused by tier, key, limits: none of it is the provider's error."""
    entry = providers(seen)["up"]
    assert (entry["status"], entry["errors_60m"]) == ("up", 0)
    assert entry["successes_60m"] == answered_up(seen)


def test_prefix_when_the_client_left_then_it_counts_neither_way(seen: Gateway) -> None:
    """499 is nobody's error and nobody's success."""
    entry = providers(seen)["test"]
    assert (entry["requests_60m"], entry["status"]) == (0, "unknown")


def test_status_when_one_prefix_is_not_up_then_the_whole_is_degraded(seen: Gateway) -> None:
    """Never down while anything answers."""
    assert call(seen, "GET", "/v1/health").json()["status"] == "degraded"


def test_totals_when_summed_then_they_are_those_of_the_records(seen: Gateway) -> None:
    """Read from the database, so that they outlive the process."""
    totals = call(seen, "GET", "/v1/health").json()["total_tokens_served"]
    (row,) = seen.usage()
    assert isinstance(totals, dict)
    assert totals["successful_requests"] == row["successes"]
    assert (totals["input"], totals["output"]) == (row["input_tokens"], row["output_tokens"])
    assert totals["total"] == totals["input"] + totals["output"] > 0


def test_model_health_when_a_prefix_is_down_then_the_catalogue_says_so_and_access_stays(seen: Gateway) -> None:
    """Down is health, never access."""
    key = seen.create_key("reader", tier=STARTER)
    data = call(seen, "GET", "/v1/models/full", key=key).json()["data"]
    assert isinstance(data, list)
    states = {entry["id"]: (entry["health"]["status"], entry["access"]["available"]) for entry in data}
    assert {alias: states[alias] for alias in COUNTS} == {
        alias: (status, True) for alias, (status, *_) in COUNTS.items()
    }


def test_metrics_when_scraped_then_names_and_labels_are_those_of_the_contract(seen: Gateway) -> None:
    """And no label ever names an account or a key."""
    text = call(seen, "GET", "/metrics").body.decode()
    families = {family.name: family for family in text_string_to_metric_families(text)}
    assert set(METRICS) <= set(families)
    for name, labels in METRICS.items():
        assert set().union(*(each.labels for each in families[name].samples)) == labels, name
        assert families[name].samples, name
    assert "acc_" not in text
    assert "fta_" not in text
    assert "operator" not in text


def test_metrics_when_scraped_then_they_count_what_happened(seen: Gateway) -> None:
    """Requests by outcome, refusals by rule, attempts by how they went, tokens by kind."""
    found = samples(seen)
    requests = "freetheai_requests_total"
    assert sample(found, requests, route=CHAT, model=UP, status="200", code="") == answered_up(seen)
    assert sample(found, requests, route=CHAT, model=SHAKY, status="502", code="provider_error") == 1
    assert sample(found, requests, route=CHAT, model=MODEL, status="499", code="client_canceled") == 1
    assert sample(found, requests, route=CHAT, model="", status="401", code="invalid_api_key") == 1
    assert sample(found, "freetheai_refusals_total", code="model_access_denied") == 1
    refused = sum(line.get("code") in {"concurrency", "requests_per_minute"} for line in seen.log_lines())
    rules = (sample(found, "freetheai_refusals_total", code=code) for code in ("concurrency", "requests_per_minute"))
    assert sum(rules) == refused > 0
    attempts = "freetheai_upstream_attempts_total"
    assert sample(found, attempts, provider="scripted", model=UP, outcome="ok") == answered_up(seen)
    assert sample(found, attempts, provider="scripted", model=SHAKY, outcome="http_500") == 1
    assert sample(found, "freetheai_tokens_total", model=UP, kind="output") > 0
    assert sample(found, "freetheai_first_token_seconds_count", model=UP) == answered_up(seen)
    assert sample(found, "freetheai_request_seconds_count", route=CHAT, streamed="true") == len(TRAFFIC[CUT]) + 1
    assert sample(found, "freetheai_open_streams") == 0
    assert sample(found, "freetheai_upstream_in_flight", provider="scripted") == 0
    assert sample(found, "freetheai_limits_backend_up") == 1


def test_metrics_when_streams_are_open_then_the_gauges_show_them(seen: Gateway, upstream: ScriptedUpstream) -> None:
    """Read at the moment of the scrape; back to nothing when the client has left."""
    key = seen.create_key("streamer")
    upstream.play("scripted", "silence-mid-stream")
    with connected(seen) as plain:
        body = chat_body(MODEL, stream=True, messages=prompt("Stay."))
        plain.sendall(raw_request(key, body))
        read_until(plain, b"Hello")
        found = samples(seen)
        assert sample(found, "freetheai_open_streams") == 1
        assert sample(found, "freetheai_upstream_in_flight", provider="scripted") == 1
        hang_up(plain)
    eventually(lambda: sample(samples(seen), "freetheai_open_streams") == 0, "the stream is forgotten")
