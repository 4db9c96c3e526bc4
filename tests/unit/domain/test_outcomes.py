"""The table of rules is the one that `docs/failover.md` promises."""

import re
from pathlib import Path

import pytest

from freetheai_gateway.domain.failures import HTTP, Mishap
from freetheai_gateway.domain.outcomes import BY_CODE, BY_STATUS, BY_WORD, Again, Rule, find_rule, may_repeat
from freetheai_gateway.services.ports import Failure

CONTRACT = Path("docs/failover.md").read_text()


def _rows() -> dict[str, tuple[str, str, bool, bool]]:
    rows = re.findall(r"^\| (.+?) \| (.+?) \| (\w+) \| (yes|no) \| (yes|no) \|$", CONTRACT, re.MULTILINE)
    return {what: (again, key, counts == "yes", ran == "yes") for what, again, key, counts, ran in rows}


def _shown(rule: Rule) -> tuple[str, str, bool, bool]:
    return rule.again.value, rule.key.value, rule.weighs, rule.executed


def _documented_statuses() -> dict[int, tuple[str, str, bool, bool]]:
    rows = {what: row for what, row in _rows().items() if "`" not in what}
    return {int(status): row for what, row in rows.items() for status in re.findall(r"\b\d{3}\b", what)}


def test_statuses_when_compared_with_the_contract_then_every_row_is_the_same() -> None:
    """In both directions."""
    documented = _documented_statuses()
    assert documented.keys() - {400, 413, 422} == BY_STATUS.keys()
    for status in BY_STATUS:
        assert _shown(find_rule(Mishap(HTTP, status=status))) == documented[status], status
    for status in (400, 413, 422):
        assert _shown(find_rule(Mishap(HTTP, status=status, callers_fault=True))) == documented[status]


@pytest.mark.parametrize(("status", "row"), [(500, "other 5xx"), (599, "other 5xx"), (302, "any other status")])
def test_status_when_it_has_no_row_then_its_class_decides(status: int, row: str) -> None:
    """Whatever an upstream invents."""
    assert _shown(find_rule(Mishap(HTTP, status=status))) == _rows()[row]


def test_failures_when_compared_with_the_contract_then_every_row_is_the_same() -> None:
    """Every failure of a transport has a row, and so have replies that are none."""
    documented = {word: row for what, row in _rows().items() for word in re.findall(r"`(\w+)`", what)}
    assert documented.keys() == BY_WORD.keys()
    assert {failure.value for failure in Failure} < BY_WORD.keys()
    for word in BY_WORD:
        assert _shown(find_rule(Mishap(word))) == documented[word], word


def test_codes_when_compared_with_the_contract_then_all_are_named() -> None:
    """Each is as good as a 401, whatever its status."""
    for code in BY_CODE:
        assert f"`{code}`" in CONTRACT
        assert find_rule(Mishap(HTTP, status=400, code=code)) is find_rule(Mishap(HTTP, status=401))


@pytest.mark.parametrize(
    ("mishap", "repeated"),
    [
        (Mishap("refused", sent=False), True),
        (Mishap("closed", sent=True), False),
        (Mishap("closed", sent=False), True),
        (Mishap("head_timeout"), False),
        (Mishap(HTTP, status=429), True),
        (Mishap(HTTP, status=500), False),
        (Mishap(HTTP, status=401), True),
        (Mishap("malformed"), False),
        (Mishap(HTTP, status=400, callers_fault=True), False),
    ],
    ids=lambda value: f"{value.what}-{value.status}-{value.sent}" if isinstance(value, Mishap) else str(value),
)
def test_call_that_must_not_run_twice_when_it_may_have_run_then_it_is_not_repeated(
    mishap: Mishap, repeated: bool
) -> None:
    """An image that costs money: only what the upstream surely did not execute is sent again."""
    assert may_repeat(find_rule(mishap), mishap, repeatable=False) is repeated


def test_call_that_may_run_twice_when_the_rule_says_never_then_it_is_not_repeated() -> None:
    """The request's own fault, and a total deadline that has passed."""
    for mishap in (Mishap(HTTP, status=422, callers_fault=True), Mishap("total_timeout")):
        rule = find_rule(mishap)
        assert rule.again is Again.NEVER
        assert not may_repeat(rule, mishap, repeatable=True)
