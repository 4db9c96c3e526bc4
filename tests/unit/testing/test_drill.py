"""The drill's promises are those of the contract."""

import re
from pathlib import Path

from freetheai_gateway.settings.forms import model_id, provider_name
from freetheai_gateway.testing.drill.cases import FAILURES, Phase, every_case
from freetheai_gateway.testing.drill.run import left_behind
from freetheai_gateway.testing.drill.stage import Stage, model_of
from freetheai_gateway.testing.drill.table import render_promises

CASES = list(every_case())


def test_table_when_compared_with_the_contract_then_it_is_the_same() -> None:
    """What is drilled is what is promised."""
    assert render_promises() in Path("docs/failover.md").read_text()


def test_cases_when_listed_then_each_has_a_name_of_its_own() -> None:
    """A name serves as model and as provider."""
    assert len({case.id for case in CASES}) == len(CASES) > 2 * len(FAILURES)
    for case in CASES:
        assert model_id(model_of(case)) == model_of(case)
        assert provider_name(case.id) == case.id


def test_promises_when_content_went_out_then_nothing_is_sent_again() -> None:
    """The first rule of the contract, for every failure in that phase."""
    for failure in FAILURES:
        if failure.phase is Phase.MID:
            assert failure.paired == failure.alone
            assert failure.paired.attempts == 1


def test_stage_when_written_then_every_case_has_its_model() -> None:
    """And a provider that nobody else uses."""
    text = Stage("http://127.0.0.1:1/v1", 2).configuration(CASES)
    for case in CASES:
        assert len(re.findall(f'^name = "{case.id}"$', text, re.MULTILINE)) == 1
        assert f'id = "{model_of(case)}"' in text


def test_metrics_when_read_then_they_say_what_is_left_behind() -> None:
    """One word for each case, by its provider."""
    first, second, third = CASES[:3]
    metrics = (
        f'freetheai_breaker_open{{key="1",provider="{first.id}"}} 1.0\n'
        f'freetheai_upstream_breaker_open{{model="m",provider="{second.id}"}} 1.0\n'
        f'freetheai_upstream_cooling_keys{{model="m",provider="{third.id}"}} 0.0\n'
    )
    assert left_behind([first, second, third], metrics) == ["resting", "open", "closed"]
