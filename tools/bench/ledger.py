"""`python -m tools.bench.ledger`: ten million usage records, and how fast they are summed, ranked and added to.

Records and sums are made by the database itself, spread over 30 days, 2,000 accounts that use five models each, 200
models and 8 providers. Then a gateway is started on it: `freetheai usage` is timed as its query, the two routes as a
client sees them.
"""

import argparse
import asyncio
import http.client
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from sqlalchemy import text

from freetheai_gateway.domain.usage import UsageRecord
from freetheai_gateway.ids import new_request_id
from freetheai_gateway.store.database import Database
from freetheai_gateway.store.location import StoreSettings
from freetheai_gateway.store.usage import SqlUsage
from tools.bench import gateway
from tools.bench.servers import Server, free_ports

_DAY_S = 86_400
_DAYS, _ACCOUNTS, _MODELS, _MODELS_EACH, _PROVIDERS = 30, 2_000, 200, 5, 8
_NUMBERS = {
    "sqlite": "WITH RECURSIVE series(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM series LIMIT {rows})",
    "postgresql": "WITH series AS (SELECT n FROM generate_series(0, {rows} - 1) AS n)",
}
_HEAD = {
    "sqlite": "INSERT INTO usage_records ({names}) {series}",
    "postgresql": "{series} INSERT INTO usage_records ({names})",
}
_DAY_OF = {
    "sqlite": "strftime('%Y-%m-%d', started_at, 'unixepoch')",
    "postgresql": "to_char(to_timestamp(started_at) AT TIME ZONE 'UTC', 'YYYY-MM-DD')",
}
_HOUR_OF = {"sqlite": "CAST(started_at / 3600 AS INTEGER)", "postgresql": "CAST(FLOOR(started_at / 3600) AS BIGINT)"}
_TIMES = 20


def main() -> None:
    """Fill, measure, print."""
    reader = argparse.ArgumentParser(prog="python -m tools.bench.ledger", description=__doc__)
    reader.add_argument("--rows", type=int, default=10_000_000)
    reader.add_argument("--database", help="an empty PostgreSQL database; without it an SQLite file is made")
    given = reader.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        url = given.database or f"sqlite:///{folder}/ledger.db"
        asyncio.run(_fill(url, given.rows))
        asyncio.run(_time_queries(url))
        _time_routes(Path(folder), url)


async def _fill(url: str, rows: int) -> None:
    database = await Database.open(StoreSettings(url=url, busy_timeout_s=3_600, command_timeout_s=3_600), create=True)
    kind = database.dialect_name
    first = _now() - _DAYS * _DAY_S
    began = time.perf_counter()
    async with database.write("filling") as connection:
        for statement in _statements(kind, rows, first):
            await connection.execute(text(statement))
    print(f"{kind}: {rows:,} records made in {time.perf_counter() - began:.0f} s")
    await database.close()


def _now() -> int:
    return int(Path("/proc/stat").read_text().split("btime ")[1].split()[0]) + int(time.monotonic())


def _statements(kind: str, rows: int, first: int) -> list[str]:
    """Write the statements that make the records and sum them up."""
    true, false = ("1", "0") if kind == "sqlite" else ("TRUE", "FALSE")
    fields = {
        "request_id": "'req_' || n",
        "started_at": f"{first} + n * {_DAYS * _DAY_S / rows!r}",
        "duration_ms": "800",
        "account_id": f"'acc_' || (n % {_ACCOUNTS})",
        "key_id": "'key_1'",
        "route": "'/v1/chat/completions'",
        "model": f"'p' || (n % 40) || '/m' || ((n % {_ACCOUNTS} * 3 + n / {_ACCOUNTS} % {_MODELS_EACH}) % {_MODELS})",
        "status": "200",
        "code": "''",
        "provider": f"'provider-' || (n % {_PROVIDERS})",
        "upstream_model": "'m'",
        "success": true,
        "streamed": true,
        "estimated": false,
        "attempts": "1",
        "input_tokens": "100",
        "output_tokens": "50",
        "cached_tokens": "0",
        "reasoning_tokens": "0",
        "images": "0",
        "cost_micro_usd": "300",
    }
    series = _NUMBERS[kind].format(rows=rows)
    head = _HEAD[kind].format(series=series, names=", ".join(fields))
    names = ("input_tokens", "output_tokens", "cached_tokens", "reasoning_tokens", "images", "cost_micro_usd")
    counted = "COUNT(*), SUM(CASE WHEN success THEN 1 ELSE 0 END)"
    sums = f"{counted}, " + ", ".join(f"SUM({name})" for name in names)
    day, hour = _DAY_OF[kind], _HOUR_OF[kind]
    return [
        f"{head} SELECT {', '.join(fields.values())} FROM series",  # noqa: S608 - our own words
        _summing("usage_days", f"{day} AS d, account_id, model, provider", sums, "d, account_id, model, provider"),
        _summing("usage_day_models", f"{day} AS d, model, provider", sums, "d, model, provider"),
        _summing("usage_day_accounts", f"{day} AS d, account_id", sums, "d, account_id"),
        _summing("usage_hours", f"{hour} AS h, model", f"{counted}, 0, SUM(duration_ms)", "h, model"),
        f"UPDATE usage_totals SET successful_requests = {rows}, input_tokens = {rows * 100}",  # noqa: S608 - a number
    ]


def _summing(table: str, key: str, sums: str, group: str) -> str:
    return f"INSERT INTO {table} SELECT {key}, {sums} FROM usage_records GROUP BY {group}"  # noqa: S608 - our own words


async def _time_queries(url: str) -> None:
    database = await Database.open(StoreSettings(url=url), create=False)
    usage = SqlUsage(database)
    for by in ("provider", "account", "model", "day"):
        times = []
        for _ in range(5):
            began = time.perf_counter()
            await usage.report(by)
            times.append((time.perf_counter() - began) * 1000)
        print(f"  {f'freetheai usage --by {by}':34} {median(times):8.1f} ms   (slowest {max(times):.1f})")
    costs = []
    for _ in range(_TIMES):
        batch = [
            UsageRecord(
                new_request_id(), float(_now()), 800, f"acc_{n % 50}", "key_1", "/v1/messages", f"p/m{n % 20}", 200
            )
            for n in range(500)
        ]
        began_cpu = time.process_time()
        await usage.insert(batch)
        costs.append((time.process_time() - began_cpu) * 1e6 / len(batch))
    print(f"  {'inserting a record (CPU, of 500)':34} {median(costs):8.1f} us")
    await database.close()


def _time_routes(folder: Path, url: str) -> None:
    with _serving(folder, url) as (port, key):
        for path in ("/v1/models/leaderboard?window=24h", "/v1/models/leaderboard?window=30d", "/v1/health"):
            times = []
            for _ in range(_TIMES):
                began = time.perf_counter()
                connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
                connection.request("GET", path, headers={"authorization": f"Bearer {key}"})
                assert connection.getresponse().read()
                connection.close()
                times.append((time.perf_counter() - began) * 1000)
            print(f"  GET {path:30} {median(times):8.1f} ms   (slowest {max(times):.1f})")


@contextmanager
def _serving(folder: Path, url: str) -> Iterator[tuple[int, str]]:
    (port,) = free_ports(1)
    configuration = gateway.write_configuration(folder / "gateway", upstreams={"whole": 9}, upstream_model="m")
    configuration.write_text(configuration.read_text().replace('url = "sqlite:///bench.db"', f'url = "{url}"'))
    server = Server("gateway", gateway.serve_command(configuration, port), core=None, log=folder / "gateway.log")
    try:
        server.wait_until_healthy(port)
        yield port, gateway.create_key(configuration)
    finally:
        server.stop()


if __name__ == "__main__":
    main()
