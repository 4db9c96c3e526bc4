"""`freetheai usage` and `freetheai requests`."""

import pytest

from freetheai_gateway.domain.usage import UsageRecord
from freetheai_gateway.store.database import Database
from freetheai_gateway.store.usage import SqlUsage
from tests.contract.cli.conftest import CommandLine, Object, WithDatabase

NOON = 1_795_392_000.0 + 43_200.0
"""2026-11-23 12:00:00 UTC."""
DAY_S = 86_400.0

FIRST = UsageRecord(
    request_id="req_1",
    started_at=NOON,
    duration_ms=812,
    account_id="acc_1",
    key_id="key_1",
    route="/v1/chat/completions",
    model="glm/glm-5.1",
    status=200,
    provider="zai",
    upstream_model="glm-5.1",
    success=True,
    streamed=True,
    attempts=1,
    first_token_ms=95,
    input_tokens=100,
    output_tokens=20,
    cached_tokens=10,
    reasoning_tokens=5,
    images=1,
    cost_micro_usd=1_234_567,
)
FAILED = UsageRecord(
    request_id="req_2",
    started_at=NOON + DAY_S,
    duration_ms=3,
    account_id="acc_2",
    key_id="key_2",
    route="/v1/messages",
    model="local/smollm2-135m",
    status=503,
    code="provider_unavailable",
)
SUMS = ("requests", "successes", "input_tokens", "output_tokens", "cached_tokens", "reasoning_tokens", "images")


@pytest.fixture
def used(command: CommandLine, with_database: WithDatabase[int]) -> CommandLine:
    """Keep the records of a request that was answered and of one that failed."""

    async def work(database: Database) -> int:
        return await SqlUsage(database).insert([FIRST, FAILED])

    assert with_database(work) == 2
    return command


@pytest.mark.parametrize(
    ("by", "field", "names"),
    [
        ("provider", "provider", ["", "zai"]),
        ("account", "account_id", ["acc_1", "acc_2"]),
        ("model", "model", ["glm/glm-5.1", "local/smollm2-135m"]),
        ("day", "day", ["2026-11-23", "2026-11-24"]),
    ],
)
def test_usage_by_a_field_gives_a_row_for_each(used: CommandLine, by: str, field: str, names: list[str]) -> None:
    """A row has the fields of the contract; those that are not grouped by are empty, the cost is in dollars."""
    rows: dict[object, Object] = {row[field]: row for row in used("usage", "--by", by, "--json").rows}
    assert sorted(map(str, rows)) == names
    empty: Object = {"day": "", "account_id": "", "model": "", "provider": ""}
    name = {"provider": "zai", "account": "acc_1", "model": "glm/glm-5.1", "day": "2026-11-23"}[by]
    expected = empty | {field: name} | dict(zip(SUMS, (1, 1, 100, 20, 10, 5, 1), strict=True)) | {"cost_usd": 1.234567}
    assert list(rows[name].items()) == list(expected.items())


def test_usage_is_by_day_unless_said_otherwise(used: CommandLine) -> None:
    """The list has no pages."""
    listed = used("usage", "--json").object
    assert listed == used("usage", "--by", "day", "--json").object
    assert (listed["object"], listed["next_cursor"]) == ("list", None)


def test_usage_since_a_day_leaves_earlier_ones_out(used: CommandLine) -> None:
    """The day itself counts."""
    assert [row["day"] for row in used("usage", "--since", "2026-11-24", "--json").rows] == ["2026-11-24"]
    assert used("usage", "--since", "2026-11-25", "--json").rows == []
    assert len(used("usage", "--since", "9999d", "--json").rows) == 2


def test_usage_for_people_ends_with_the_total(used: CommandLine) -> None:
    """The last line of the table sums the others."""
    done = used("usage", "--by", "model")
    assert done.lines[-1] == ["total", "2", "1", "100", "20", "10", "5", "1", "1.234567"]
    assert len(done.lines) == 3


def test_usage_of_nothing_is_a_message(command: CommandLine) -> None:
    """An empty table stays off stdout."""
    done = command("usage")
    assert (done.code, done.out) == (0, "")
    assert done.err != ""


@pytest.mark.parametrize("options", [["--since", "tuesday"], ["--since", "2026-02-30"], ["--by", "week"]])
def test_usage_with_what_it_does_not_know_is_wrong_usage(command: CommandLine, options: list[str]) -> None:
    """The message names what was written."""
    done = command("usage", *options)
    assert (done.code, done.out) == (2, "")
    assert options[1] in done.err


def test_show_gives_the_record(used: CommandLine) -> None:
    """Every field of the record, times as RFC 3339, the cost in dollars."""
    assert used("requests", "show", "req_1", "--json").object == {
        "request_id": "req_1",
        "started_at": "2026-11-23T12:00:00Z",
        "duration_ms": 812,
        "first_token_ms": 95,
        "account_id": "acc_1",
        "key_id": "key_1",
        "route": "/v1/chat/completions",
        "model": "glm/glm-5.1",
        "provider": "zai",
        "upstream_model": "glm-5.1",
        "attempts": 1,
        "status": 200,
        "code": "",
        "success": True,
        "streamed": True,
        "estimated": False,
        "input_tokens": 100,
        "output_tokens": 20,
        "cached_tokens": 10,
        "reasoning_tokens": 5,
        "images": 1,
        "cost_usd": 1.234567,
    }


def test_show_leaves_out_no_field_of_a_record(used: CommandLine) -> None:
    """A field that is added to the record must be added here."""
    shown = set(used("requests", "show", "req_2", "--json").object)
    assert shown == set(UsageRecord.__struct_fields__) - {"cost_micro_usd"} | {"cost_usd"}


def test_show_for_people_names_the_outcome(used: CommandLine) -> None:
    """A line per field."""
    lines = [line.split() for line in used("requests", "show", "req_2").out.splitlines()]
    assert ["code", "provider_unavailable"] in lines
    assert ["streamed", "no"] in lines
    assert ["first_token_ms", "-"] in lines


def test_show_of_an_unknown_request_explains(command: CommandLine) -> None:
    """Where else to look, and why it may be too early."""
    done = command("requests", "show", "req_9", "--json")
    assert (done.code, done.out) == (1, "")
    assert '"req_9"' in done.err
    assert "in the log only" in done.err
    assert "half a second" in done.err
