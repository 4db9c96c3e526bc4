"""Usage, limits in force, upstreams, catalogue, reload and the document of the admin API."""

import pytest

from freetheai_gateway.clock import SystemClock
from freetheai_gateway.domain.limits import Limits
from freetheai_gateway.domain.usage import UsageRecord
from freetheai_gateway.jsonc import Decoder
from freetheai_gateway.services.reloading import Mistake, ReloadOutcome
from freetheai_gateway.store.usage import SqlUsage
from freetheai_gateway.web.admin.answers import (
    AuditRow,
    CatalogueRow,
    LimitsInForce,
    Reloaded,
    RequestRecord,
    TierRow,
    UpstreamRow,
    UsageRow,
)
from tests.contract.admin.conftest import Api

pytestmark = pytest.mark.asyncio(loop_scope="module")
NOON = 1_795_435_200.0
"""2026-11-23 12:00:00 UTC."""


async def keep(api: Api, request_id: str, model: str, tokens: int) -> None:
    """Put a usage record into the database."""
    record = UsageRecord(
        request_id=request_id,
        started_at=NOON,
        duration_ms=812,
        account_id="acc_1",
        key_id="key_1",
        route="/v1/chat/completions",
        model=model,
        status=200,
        provider="zai",
        success=True,
        input_tokens=tokens,
        output_tokens=20,
        cost_micro_usd=1_500,
    )
    await SqlUsage(api.gateway.accounts._database).insert([record])


async def test_usage_when_grouped_then_the_sums_are_those_of_the_command(api: Api) -> None:
    """Money in dollars; a day that is to come has nothing."""
    await keep(api, "req_1", "glm/x", 100)
    await keep(api, "req_2", "glm/x", 50)
    rows, _ = await api.page(UsageRow, "usage", "by=model&since=2026-11-01")
    assert [(row.model, row.requests, row.input_tokens, row.cost_usd) for row in rows] == [("glm/x", 2, 150, 0.003)]
    assert await api.page(UsageRow, "usage", "since=2999-01-01") == ([], None)
    record = await api.ask(RequestRecord, "GET", "requests/req_1")
    assert (record.started_at, record.model, record.cost_usd) == ("2026-11-23T12:00:00Z", "glm/x", 0.0015)


@pytest.mark.parametrize("query", ["by=hour", "since=yesterday", "since=2026-02-30"])
async def test_usage_when_the_question_is_no_sense_then_400(api: Api, query: str) -> None:
    """Named by its field."""
    reply = await api.call("GET", "/admin/api/usage", query=query)
    assert (reply.status, reply.error["param"]) == (400, query.partition("=")[0])


async def test_limits_when_read_then_they_are_those_in_force_with_what_is_used(api: Api) -> None:
    """While a request runs; an account without limits has none."""
    made = await api.open("Ada", tier=3)
    offer = api.gateway.directory.offer
    account = await api.gateway.accounts.find_account(made.id)
    assert account is not None
    await api.gateway.limiter.admit(made.id, offer.limits_of(account))
    shown = await api.ask(LimitsInForce, "GET", f"limits/{made.id}")
    assert (shown.tier, shown.tier_name, shown.tier_source, shown.unlimited) == (3, "Regular", "override", False)
    assert {row.rule: (row.limit, row.used, row.remaining) for row in shown.limits} == {
        "requests_per_minute": (20, 1, 19),
        "concurrency": (2, 1, 1),
        "daily_requests": (50, 1, 49),
    }
    free = await api.open("operator", unlimited=True)
    assert (await api.ask(LimitsInForce, "GET", f"limits/{free.id}")).limits == []
    assert offer.limits_of(account) != Limits()


async def test_upstreams_when_listed_then_each_provider_says_how_it_stands(api: Api) -> None:
    """What runs, which breakers are open and which keys rest; neither addresses nor keys."""
    state = api.gateway.directory.offer.fleet.providers["zai"]
    target, now = state.target("x"), SystemClock.monotonic()
    target.in_flight = state.load.running = 1
    target.note_latency(0.25)
    target.gate.shut(now, 60.0, "breaker")
    state.keys[0].gate.shut(now, 300.0, "refused")
    rows, _ = await api.page(UpstreamRow, "upstreams")
    assert [(row.provider, row.readiness, row.in_flight, row.max_concurrency) for row in rows] == [
        ("zai", "ready", 1, 64),
        ("bare", "not_configured", 0, 64),
    ]
    assert [(row.daily_budget_usd, row.spent_today_usd) for row in rows] == [(2.5, 0.0), (None, None)]
    assert [(model.id, model.upstream_model) for model in rows[0].models] == [("glm/x", "x"), ("plus/y", "z")]
    assert (rows[0].models[0].breaker, rows[0].models[0].in_flight, rows[0].models[0].latency_ms) == ("open", 1, 250)
    assert (rows[0].models[1].breaker, rows[0].models[1].latency_ms) == ("closed", None)
    assert [(key.number, key.reason, 100 < key.rests_s <= 300) for key in rows[0].keys] == [(1, "refused", True)]
    assert b"upstream.invalid" not in (await api.call("GET", "/admin/api/upstreams")).body


async def test_catalogue_when_listed_then_models_have_family_tier_upstreams_and_prices(api: Api) -> None:
    """As configured, whoever may call them."""
    rows, _ = await api.page(CatalogueRow, "catalogue")
    assert [(row.id, row.family, row.tier, row.tier_rank, row.set_up) for row in rows] == [
        ("glm/x", "Other", "Starter", 1, True),
        ("plus/y", "Plus", "Regular", 3, True),
    ]
    assert [(upstream.provider, upstream.model) for upstream in rows[1].upstreams] == [("bare", "y"), ("zai", "z")]
    assert rows[0].upstreams[0].input_per_million == 0.5


async def test_catalogue_when_listed_then_what_holds_is_told_and_not_what_stands_in_the_file(api: Api) -> None:
    """Defaults, aliases and quirks: what a request for the model meets."""
    rows, _ = await api.page(CatalogueRow, "catalogue")
    assert [(row.inputs, row.aliases, row.open_to_members) for row in rows] == [
        (["text"], ["old-*"], True),
        (["text"], [], True),
    ]
    assert [upstream.quirks for upstream in rows[1].upstreams] == [[], ["drop=seed, user"]]


async def test_tiers_when_listed_then_their_limits_and_what_they_open(api: Api) -> None:
    """With the cap of the day that `[access]` gives to tiers without one of their own."""
    rows, _ = await api.page(TierRow, "tiers")
    assert [(row.level, row.name, row.is_default, row.opens_models) for row in rows[:3]] == [
        (1, "Starter", True, 1),
        (2, "Member", False, 1),
        (3, "Regular", False, 2),
    ]
    assert {row.daily_requests for row in rows} == {50}
    assert rows[2].families == ["Plus"]


async def test_reload_when_dry_then_the_difference_is_shown_and_nothing_is_noted(api: Api) -> None:
    """The same answer as the reload that follows, but for `applied`."""
    api.reload.outcome = ReloadOutcome(
        {"models": ["+new/model", "~glm/x"]}, ["models.glm/x.upstreams"], ["server.port"]
    )
    dry = await api.ask(Reloaded, "POST", "reload", {"dry_run": True})
    assert (dry.applied, dry.changed, dry.needs_restart) == (
        False,
        {"models": ["+new/model", "~glm/x"]},
        ["server.port"],
    )
    assert (dry.audit_id, dry.fields) == (None, ["models.glm/x.upstreams"])
    done = await api.ask(Reloaded, "POST", "reload", {"reason": "new model"})
    assert (done.applied, done.changed, done.needs_restart) == (True, dry.changed, dry.needs_restart)
    assert api.reload.asked[-2:] == [True, False]
    entries, _ = await api.page(AuditRow, "audit", "limit=1")
    assert [(entry.id, entry.action, entry.subject, entry.account_id, entry.reason) for entry in entries] == [
        (done.audit_id, "configuration.reload", "configuration", None, "new model")
    ]
    assert entries[0].after == done.changed


async def test_reload_when_the_file_is_bad_then_every_place_is_named(api: Api) -> None:
    """400, and no entry: nothing was changed."""
    api.reload.outcome = ReloadOutcome(
        mistakes=[
            Mistake("models[0].upstreams[0].provider", 'no provider is called "zay"', 'did you mean "zai"?', 12),
            Mistake("server.prot", "unknown key"),
        ]
    )
    before, _ = await api.page(AuditRow, "audit")
    reply = await api.call("POST", "/admin/api/reload")
    assert (reply.status, reply.error["code"]) == (400, "configuration_invalid")
    assert str(reply.error["message"]).endswith(
        'models[0].upstreams[0].provider: no provider is called "zay". There is 1 more mistake.'
    )
    assert reply.error["problems"] == [
        {
            "where": "models[0].upstreams[0].provider",
            "line": 12,
            "message": 'no provider is called "zay"',
            "hint": 'did you mean "zai"?',
        },
        {"where": "server.prot", "line": None, "message": "unknown key", "hint": ""},
    ]
    after, _ = await api.page(AuditRow, "audit")
    assert before == after


async def test_document_when_read_then_every_route_and_every_reference_is_there(api: Api) -> None:
    """Each path of the document is one that the API knows; parameters are those of the path."""
    reply = await api.call("GET", "/admin/api/openapi.json")
    assert reply.status == 200
    text = reply.body.decode()
    whole = Decoder(dict[str, object])(reply.body)
    paths, components = whole["paths"], whole["components"]
    assert isinstance(paths, dict)
    assert isinstance(components, dict)
    references = {part.partition('"')[0] for part in text.split('"#/components/schemas/')[1:]}
    assert references == set(components["schemas"])
    assert len(paths) >= 14
    for path, operations in paths.items():
        concrete = path.replace("{id}", "acc_0")
        wrong = await api.call("TRACE", concrete)
        assert wrong.status == 405
        answered = await api.call("PUT" if "put" not in operations else "POST", concrete)
        assert answered.status == 405
        for operation in operations.values():
            inside = [each["name"] for each in operation["parameters"] if each["in"] == "path"]
            assert inside == (["id"] if "{id}" in path else [])
