"""A drill of an operator's own pools: what is taken from his configuration, and what must never be."""

import tomllib
from pathlib import Path

import pytest

from freetheai_gateway.settings.load import from_document
from freetheai_gateway.settings.tree import Settings
from freetheai_gateway.testing.drill.cases import Seen
from freetheai_gateway.testing.drill.own import ALL, KINDS, own_cases, own_configuration, pools_of
from freetheai_gateway.testing.drill.run import OwnRow, run_own_drill
from freetheai_gateway.testing.drill.stage import Stage

SECRET = "sk-the-operators"


def _settings(folder: Path, **pools: object) -> Settings:
    def provider(name: str, keys: int, **more: object) -> dict[str, object]:
        return {
            "name": name,
            "api": "openai",
            "base_url": f"https://{name}.example/v1",
            "api_keys": [f"{SECRET}-{name}-{number}" for number in range(keys)],
            **more,
        }

    def model(model_id: str, *providers: str) -> dict[str, object]:
        upstreams = [{"provider": name, "model": "m", "priority": at} for at, name in enumerate(providers, 1)]
        return {"id": model_id, "upstreams": upstreams}

    document = {
        "pools": pools,
        "providers": [
            provider("one", 4, proxy="http://proxy.example:80", headers={"x-team": SECRET}),
            provider("two", 1, limits_per_key={"requests_per_minute": 50}, shared_with_members=False),
            provider("three", 1),
            provider("unset", 0),
        ],
        "models": [
            model("a/pair", "one", "three"),
            model("a/pair-too", "one", "three"),
            model("a/alone", "one"),
            model("a/ours", "two"),
            model("a/unset", "unset"),
            {"id": "a/vector", "kind": "embedding", "upstreams": [{"provider": "one", "model": "m"}]},
        ],
    }
    return from_document(document, {}, folder).settings


def test_pools_when_models_have_the_same_upstreams_then_one_is_played_for_all(tmp_path: Path) -> None:
    """Models that are not set up, and those that do not chat, are not."""
    pools = pools_of(_settings(tmp_path))
    assert [(pool.model, pool.alike, pool.scopes) for pool in pools] == [
        ("a/pair", 1, ("one", ALL)),
        ("a/alone", 0, (ALL,)),
        ("a/ours", 0, (ALL,)),
    ]


def test_configuration_when_written_then_it_holds_the_rules_and_no_address_or_key(tmp_path: Path) -> None:
    """Whatever stands in the operator's file, nobody real is called."""
    settings = _settings(tmp_path, attempts=2, breaker_failures=7)
    cases = list(own_cases(pools_of(settings)))
    text = own_configuration(settings, cases, Stage("http://127.0.0.1:1/v1", 2))
    read = from_document(tomllib.loads(text), {}, tmp_path).settings
    assert (read.pools.attempts, read.pools.breaker_failures) == (2, 7)
    assert SECRET not in text
    assert "example" not in text
    urls = {provider.base_url for provider in read.providers}
    assert all(url.startswith(("http://127.0.0.1:", "https://127.0.0.1:", "http://nowhere.invalid")) for url in urls)
    by_name = {provider.name: provider for provider in read.providers}
    one, two = by_name["d1-one"], next(each for name, each in by_name.items() if name.endswith("-two"))
    assert (len(one.api_keys), two.limits_per_key.requests_per_minute, two.shared_with_members) == (4, 50, False)
    assert one.timeouts.total_s <= 3.0


async def test_drill_when_it_plays_an_operators_pools_then_it_says_what_members_would_have_got(tmp_path: Path) -> None:
    """A pair survives what one provider does before content; members are refused where a provider is not theirs."""
    settings = _settings(tmp_path)
    quick = {"401", "500", "refused"}
    cases = [case for case in own_cases(pools_of(settings)) if case.failure.name in quick and case.streamed]
    rows = await run_own_drill(settings, cases)
    assert all(row.kept for row in rows)
    got = {(row.case.pool.model, row.case.fails, row.case.failure.name): row.seen.answer for row in rows}
    assert {got["a/pair", "one", name] for name in quick} == {"whole"}
    assert {got["a/pair", ALL, name] for name in quick} == {"502"}
    assert {got["a/alone", ALL, name] for name in quick} == {"502"}
    assert {got["a/ours", ALL, name] for name in quick} == {"503"}


@pytest.mark.parametrize(
    ("answer", "status", "kept"),
    [
        ("whole", 200, True),
        ("502", 502, True),
        ("broken", 502, True),
        ("502", 200, False),
        ("cut", 200, False),
        ("wrong", 200, False),
        ("whole", 0, False),
        ("503", 0, True),
    ],
)
def test_row_when_the_member_got_nonsense_or_nothing_is_recorded_then_the_promise_is_broken(
    tmp_path: Path, answer: str, status: int, kept: bool
) -> None:
    """Whatever the pools are, a gateway never ends a reply without a word."""
    case = next(own_cases(pools_of(_settings(tmp_path))))
    assert OwnRow(case, Seen(answer, 1, status), 0.1).kept is kept
    assert len(KINDS) > 12
