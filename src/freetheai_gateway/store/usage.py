"""Usage records and their roll-ups in the database: the port `UsageStore`, and what keeps the tables small.

Roll-ups change only in the transaction that inserts the rows they count, and only by rows that were new, so that a
replayed journal counts nothing twice. What a journal holds is here at most `JournalSettings.drain_s` later.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from sqlalchemy import (
    ColumnElement,
    Delete,
    Row,
    Table,
    and_,
    bindparam,
    case,
    delete,
    func,
    select,
    tuple_,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from freetheai_gateway.clock import utc_day
from freetheai_gateway.domain.health import PrefixDay, Thresholds, prefix_of, verdict_of
from freetheai_gateway.domain.limits import Delivered
from freetheai_gateway.domain.usage import UsageRecord
from freetheai_gateway.services.ports import InvalidCursor, ModelRequests, Page, UsageRow, UsageTotals
from freetheai_gateway.store.database import Database
from freetheai_gateway.store.errors import StoreConflict
from freetheai_gateway.store.schema import (
    PREFIX_HOURS,
    STATUS_SUMS,
    USAGE_DAY_ACCOUNTS,
    USAGE_DAY_MODELS,
    USAGE_DAYS,
    USAGE_HOURS,
    USAGE_RECORDS,
    USAGE_TOTALS,
)
from freetheai_gateway.store.upserts import ManyRows, insert_new, insert_or_add

_DAY_S = 86_400
_HOUR_S = 3_600
_FIRST_REFUSAL, _CANCELED, _FIRST_FAILURE = 400, 499, 500
_MOST_DAYS = 500
"""Asked for in one statement."""
_HOURS_A_DAY = 24
_PRUNE_ROWS = 1_000
_GROUPS = {
    "provider": USAGE_DAY_MODELS.c.provider,
    "account": USAGE_DAY_ACCOUNTS.c.account_id,
    "model": USAGE_DAY_MODELS.c.model,
    "day": USAGE_DAY_MODELS.c.day,
}
_SUMS = tuple(column.name for column in USAGE_DAYS.columns if not column.primary_key)
_FIND_KNOWN = select(USAGE_RECORDS.c.request_id).where(
    USAGE_RECORDS.c.request_id.in_(bindparam("request_ids", expanding=True))
)
_ADD_TO_TOTALS = update(USAGE_TOTALS).values(
    successful_requests=USAGE_TOTALS.c.successful_requests + bindparam("new_requests"),
    input_tokens=USAGE_TOTALS.c.input_tokens + bindparam("new_input"),
    output_tokens=USAGE_TOTALS.c.output_tokens + bindparam("new_output"),
)
"""One for all batches: a statement that is built anew leaves circles that only the garbage collector frees."""


@dataclass(slots=True)
class _Day:
    """A roll-up row in the making; attributes named like the columns of `usage_days`."""

    day: str
    account_id: str
    model: str
    provider: str
    requests: int = 0
    successes: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    reasoning_tokens: int = 0
    images: int = 0
    cost_micro_usd: int = 0
    client_errors: int = 0
    canceled: int = 0
    server_errors: int = 0

    def add(self, record: UsageRecord) -> None:
        """Count one request in."""
        self.requests += 1
        self.successes += record.success
        status = record.status
        if status >= _FIRST_FAILURE:
            self.server_errors += 1
        elif status == _CANCELED:
            self.canceled += 1
        elif status >= _FIRST_REFUSAL:
            self.client_errors += 1
        self.input_tokens += record.input_tokens
        self.output_tokens += record.output_tokens
        self.cached_tokens += record.cached_tokens
        self.reasoning_tokens += record.reasoning_tokens
        self.images += record.images
        self.cost_micro_usd += record.cost_micro_usd


@dataclass(slots=True)
class _Hour:
    """A row of `usage_hours` in the making."""

    hour: int
    model: str
    requests: int = 0
    successes: int = 0
    failures: int = 0
    duration_ms: int = 0

    def add(self, record: UsageRecord) -> None:
        """Count one request in."""
        self.requests += 1
        self.successes += record.success
        self.failures += record.status >= _FIRST_FAILURE
        self.duration_ms += record.duration_ms


@dataclass(slots=True)
class _PrefixHour:
    """A row of `prefix_hours` in the making."""

    hour: int
    prefix: str
    successes: int = 0
    errors: int = 0


@dataclass(frozen=True, slots=True)
class _Inserts:
    """The statements of a batch, compiled once."""

    records: ManyRows
    days: ManyRows
    models: ManyRows
    accounts: ManyRows
    hours: ManyRows
    prefixes: ManyRows

    @classmethod
    def prepare(cls, dialect: str, connection: AsyncConnection) -> Self:
        """Compile them for a database."""

        def adding(table: Table) -> ManyRows:
            return ManyRows(insert_or_add(table, dialect), connection)

        return cls(
            records=ManyRows(insert_new(USAGE_RECORDS, dialect), connection),
            days=adding(USAGE_DAYS),
            models=adding(USAGE_DAY_MODELS),
            accounts=adding(USAGE_DAY_ACCOUNTS),
            hours=adding(USAGE_HOURS),
            prefixes=adding(PREFIX_HOURS),
        )


def _padded(request_ids: list[str]) -> list[str]:
    """Repeat the last one up to a power of two: every length is a statement of its own to SQLite and to SQLAlchemy."""
    length = 1 << (len(request_ids) - 1).bit_length()
    return request_ids + request_ids[-1:] * (length - len(request_ids))


class SqlUsage:
    """Usage over one database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._inserts: _Inserts | None = None

    async def insert(self, records: Sequence[UsageRecord]) -> int:
        """Insert what is not there yet, by `request_id`; returns how many were new. One transaction.

        Raises `RecordsRefused` where a value can't be stored; then nothing of the batch is.
        """
        unique = {record.request_id: record for record in records}
        if not unique:
            return 0
        try:
            async with self._database.write("inserting usage records") as connection:
                await self._insert_new(connection, list(unique.values()))
        except StoreConflict:  # a journal is replayed: only then is it worth while to look for what is there
            return await self._insert_unknown(unique)
        return len(unique)

    async def _insert_unknown(self, records: dict[str, UsageRecord]) -> int:
        async with self._database.write("inserting usage records") as connection:
            for known in (await connection.execute(_FIND_KNOWN, {"request_ids": _padded(list(records))})).scalars():
                del records[known]
            if records:
                await self._insert_new(connection, list(records.values()))
        return len(records)

    async def _insert_new(self, connection: AsyncConnection, new: Sequence[UsageRecord]) -> None:
        inserts = self._inserts
        if inserts is None:
            inserts = self._inserts = _Inserts.prepare(self._database.dialect_name, connection)
        days = _roll_up(new)
        await inserts.records.run(connection, new)
        await inserts.days.run(connection, days)
        await inserts.models.run(connection, _narrowed(days, lambda day: (day.day, "", day.model, day.provider)))
        await inserts.accounts.run(connection, _narrowed(days, lambda day: (day.day, day.account_id, "", "")))
        await inserts.hours.run(connection, _by_hour(new))
        if judged := _by_prefix(new):
            await inserts.prefixes.run(connection, judged)
        await connection.execute(
            _ADD_TO_TOTALS,
            {
                "new_requests": sum(day.successes for day in days),
                "new_input": sum(day.input_tokens for day in days),
                "new_output": sum(day.output_tokens for day in days),
            },
        )

    async def find(self, request_id: str) -> UsageRecord | None:
        """Read one record; one that is still in a journal is not found."""
        statement = select(USAGE_RECORDS).where(USAGE_RECORDS.c.request_id == request_id)
        async with self._database.read("finding a usage record") as connection:
            row = (await connection.execute(statement)).first()
        return None if row is None else record_of(row)

    async def report(self, by: str, since: str | None = None) -> Sequence[UsageRow]:
        """Sum the roll-ups by `provider`, `account`, `model` or `day`, from the UTC day `since` on.

        Days come in their order, everything else with the most requests first. Raises `ValueError` for another `by`.
        """
        if by not in _GROUPS:
            raise ValueError(f"usage is reported by {', '.join(_GROUPS)}, not by {by}")
        group = _GROUPS[by]
        columns = group.table.c
        sums = [func.sum(columns[name]).label(name) for name in _SUMS]
        statement = select(group.label("name"), *sums).group_by(group)
        statement = statement.order_by(group) if by == "day" else statement.order_by(sums[0].desc(), group)
        if since is not None:
            statement = statement.where(columns.day >= since)
        async with self._database.read("reporting usage") as connection:
            rows = (await connection.execute(statement)).all()
        return [_usage_row(by, row) for row in rows]

    async def delivered_on(self, day: str) -> Delivered:
        """Count the delivered answers and images per account on a UTC day; accounts without are absent."""
        accounts = USAGE_DAY_ACCOUNTS.c
        delivered = (accounts.successes > 0) | (accounts.images > 0)
        statement = select(accounts.account_id, accounts.successes, accounts.images)
        statement = statement.where(accounts.day == day, delivered)
        async with self._database.read("counting a day's answers") as connection:
            rows = (await connection.execute(statement)).all()
        return Delivered(
            day=day,
            answers={row.account_id: int(row.successes) for row in rows if row.successes},
            images={row.account_id: int(row.images) for row in rows if row.images},
        )

    async def account_days(self, account_id: str, days: Sequence[str]) -> Sequence[UsageRow]:
        """Sum each of these UTC days of an account; a day without requests is absent."""
        columns = USAGE_DAY_ACCOUNTS.c
        sums = [columns[name] for name in _SUMS]
        statement = select(columns.day.label("name"), *sums).where(
            columns.day.in_(days), columns.account_id == account_id
        )
        async with self._database.read("reading an account's days") as connection:
            return [_usage_row("day", row) for row in await connection.execute(statement)]

    async def account_models(self, account_id: str, days: Sequence[str]) -> Sequence[UsageRow]:
        """Sum these UTC days of an account by model, the most called first."""
        columns = USAGE_DAYS.c
        sums = [func.sum(columns[name]).label(name) for name in _SUMS]
        statement = (
            select(columns.model.label("name"), *sums)
            .where(columns.day.in_(days), columns.account_id == account_id)
            .group_by(columns.model)
            .order_by(sums[0].desc(), columns.model)
        )
        async with self._database.read("reading an account's models") as connection:
            return [_usage_row("model", row) for row in await connection.execute(statement)]

    async def account_statuses(self, account_id: str, days: Sequence[str]) -> Mapping[str, int]:
        """Sum how an account's requests of these UTC days failed, by the names of `STATUS_SUMS`."""
        columns = USAGE_DAY_ACCOUNTS.c
        sums = [func.coalesce(func.sum(columns[name]), 0).label(name) for name in STATUS_SUMS]
        statement = select(*sums).where(columns.day.in_(days), columns.account_id == account_id)
        async with self._database.read("counting an account's failures") as connection:
            row = (await connection.execute(statement)).one()
        return {name: int(getattr(row, name)) for name in STATUS_SUMS}

    async def account_requests(
        self, account_id: str, page: Page, *, since: float, until: float
    ) -> tuple[Sequence[UsageRecord], str | None]:
        """Read the records of an account, the newest first, with the cursor of the next page.

        Looks only at days on which the account made requests, from the newest on until the page is full: records have
        no index by account. Raises `InvalidCursor`.
        """
        before: tuple[float, str] | None = None
        if page.after is not None:
            last = await self.find(page.after)
            if last is None or last.account_id != account_id:
                raise InvalidCursor("the cursor names nothing in this list")
            before = last.started_at, last.request_id
            until = last.started_at
        found: list[UsageRecord] = []
        for day in reversed(await self.active_days(account_id, since, until)):
            found += await self._requests_of(account_id, day, before, page.limit + 1 - len(found))
            if len(found) > page.limit:
                break
        shown = found[: page.limit]
        return shown, shown[-1].request_id if len(found) > page.limit else None

    async def active_days(self, account_id: str, since: float, until: float) -> list[int]:
        """List the UTC days, as numbers since 1970, on which an account made requests, the oldest first."""
        columns = USAGE_DAY_ACCOUNTS.c
        numbers = {utc_day(number * _DAY_S): number for number in range(int(since // _DAY_S), int(until // _DAY_S) + 1)}
        names, active = list(numbers), list[int]()
        for start in range(0, len(names), _MOST_DAYS):
            some = names[start : start + _MOST_DAYS]
            statement = select(columns.day).where(columns.day.in_(some), columns.account_id == account_id)
            async with self._database.read("finding an account's days") as connection:
                active += [numbers[day] for day in (await connection.execute(statement)).scalars()]
        return sorted(active)

    async def _requests_of(
        self, account_id: str, day: int, before: tuple[float, str] | None, limit: int
    ) -> list[UsageRecord]:
        """Read an account's newest records of a day, those before a place in the list."""
        records = USAGE_RECORDS.c
        statement = select(USAGE_RECORDS).where(
            records.started_at >= day * _DAY_S,
            records.started_at < (day + 1) * _DAY_S,
            records.account_id == account_id,
        )
        if before is not None:
            statement = statement.where(tuple_(records.started_at, records.request_id) < before)
        statement = statement.order_by(records.started_at.desc(), records.request_id.desc()).limit(limit)
        async with self._database.read("reading an account's requests") as connection:
            return [record_of(row) for row in await connection.execute(statement)]

    async def totals(self) -> UsageTotals:
        """Read the sums over all time: one row, untouched by retention."""
        async with self._database.read("reading totals") as connection:
            row = (await connection.execute(select(USAGE_TOTALS))).one()
        return UsageTotals(row.successful_requests, row.input_tokens, row.output_tokens)

    async def leaderboard(self, since_day: str | None, limit: int) -> Sequence[ModelRequests]:
        """Rank the models that answered at least once since the UTC day, the most called first.

        A name that never answered is left out: it may be anything that a client wrote.
        """
        models = USAGE_DAY_MODELS.c
        requests = func.sum(models.requests)
        statement = (
            select(models.model, requests.label("requests"))
            .group_by(models.model)
            .having(func.sum(models.successes) > 0)
            .order_by(requests.desc(), models.model)
            .limit(limit)
        )
        if since_day is not None:
            statement = statement.where(models.day >= since_day)
        async with self._database.read("ranking models") as connection:
            return [ModelRequests(row.model, int(row.requests)) for row in await connection.execute(statement)]

    async def leaderboard_since(self, since: float, limit: int) -> Sequence[ModelRequests]:
        """Rank as `leaderboard` does, from the hour on in which the instant lies."""
        hours = USAGE_HOURS.c
        requests = func.sum(hours.requests)
        statement = (
            select(hours.model, requests.label("requests"))
            .where(hours.hour >= int(since // _HOUR_S))
            .group_by(hours.model)
            .having(func.sum(hours.successes) > 0)
            .order_by(requests.desc(), hours.model)
            .limit(limit)
        )
        async with self._database.read("ranking models") as connection:
            return [ModelRequests(row.model, int(row.requests)) for row in await connection.execute(statement)]

    async def prefix_days(self, since: float, thresholds: Thresholds) -> Sequence[PrefixDay]:
        """Sum how each prefix did by UTC day, from the hour on in which the instant lies; in no certain order.

        The sums are the database's, and so those of every node that writes into it.
        """
        hours = PREFIX_HOURS.c
        outcomes = hours.successes + hours.errors
        down = and_(outcomes >= thresholds.minimum_requests, hours.errors >= thresholds.down_from * outcomes)
        day = hours.hour // _HOURS_A_DAY
        statement = (
            select(
                day.label("day"),
                hours.prefix,
                func.sum(hours.successes).label("successes"),
                func.sum(hours.errors).label("errors"),
                func.sum(case((down, 1), else_=0)).label("down_hours"),
            )
            .where(hours.hour >= int(since // _HOUR_S))
            .group_by(day, hours.prefix)
        )
        async with self._database.read("reading how prefixes did") as connection:
            rows = (await connection.execute(statement)).all()
        names = {number: utc_day(number * _DAY_S) for number in {row.day for row in rows}}
        return [
            PrefixDay(
                day=names[row.day],
                prefix=row.prefix,
                successes=int(row.successes),
                errors=int(row.errors),
                down_hours=int(row.down_hours),
            )
            for row in rows
        ]

    async def prune(self, now: float, *, raw_days: int, rollup_days: int) -> int:
        """Delete records and roll-ups older than so many days; returns how many rows went.

        Deletes 1,000 rows per transaction, so that records which arrive meanwhile are not held up.
        Whether a record is new is told by the records that are kept: a journal half drained and found again after
        more than `raw_days` would count twice.
        """
        records = USAGE_RECORDS.c
        deleted = await self._delete_in_steps(
            "deleting old usage records",
            delete(USAGE_RECORDS).where(
                records.request_id.in_(
                    select(records.request_id)
                    .where(records.started_at < now - raw_days * _DAY_S)
                    .order_by(records.started_at)
                    .limit(_PRUNE_ROWS)
                )
            ),
        )
        kept_from = now - rollup_days * _DAY_S
        for table in (USAGE_DAYS, USAGE_DAY_MODELS, USAGE_DAY_ACCOUNTS):
            deleted += await self._prune_sums(table, table.c.day < utc_day(kept_from))
        for table in (USAGE_HOURS, PREFIX_HOURS):
            deleted += await self._prune_sums(table, table.c.hour < int(kept_from // _HOUR_S))
        return deleted

    async def _prune_sums(self, table: Table, is_old: ColumnElement[bool]) -> int:
        key = tuple_(*table.primary_key)
        old = select(*table.primary_key).where(is_old).limit(_PRUNE_ROWS)
        return await self._delete_in_steps("deleting old roll-ups", delete(table).where(key.in_(old)))

    async def _delete_in_steps(self, operation: str, statement: Delete) -> int:
        deleted = 0
        while True:
            async with self._database.write(operation) as connection:
                step = (await connection.execute(statement)).rowcount
            deleted += step
            if step < _PRUNE_ROWS:
                return deleted


def _roll_up(records: Sequence[UsageRecord]) -> list[_Day]:
    """Sum records by day, account, model and provider."""
    names: dict[int, str] = {}
    days: dict[tuple[str, str, str, str], _Day] = {}
    for record in records:
        number = int(record.started_at // _DAY_S)
        name = names.get(number)
        if name is None:
            name = names[number] = utc_day(number * _DAY_S)
        key = (name, record.account_id, record.model, record.provider)
        day = days.get(key)
        if day is None:
            day = days[key] = _Day(*key)
        day.add(record)
    return list(days.values())


def _narrowed(days: Sequence[_Day], key_of: Callable[[_Day], tuple[str, str, str, str]]) -> list[_Day]:
    """Sum roll-ups once more, by less."""
    narrower: dict[tuple[str, str, str, str], _Day] = {}
    for day in days:
        key = key_of(day)
        row = narrower.get(key)
        if row is None:
            row = narrower[key] = _Day(*key)
        for name in (*_SUMS, *STATUS_SUMS):
            setattr(row, name, getattr(row, name) + getattr(day, name))
    return list(narrower.values())


def _by_hour(records: Sequence[UsageRecord]) -> list[_Hour]:
    """Sum records by hour and model."""
    hours: dict[tuple[int, str], _Hour] = {}
    for record in records:
        key = (int(record.started_at // _HOUR_S), record.model)
        hour = hours.get(key)
        if hour is None:
            hour = hours[key] = _Hour(*key)
        hour.add(record)
    return list(hours.values())


def record_of(row: Row[tuple[object, ...]]) -> UsageRecord:
    """Read a record from its row."""
    return UsageRecord(**{name: getattr(row, name) for name in UsageRecord.__struct_fields__})


def _by_prefix(records: Sequence[UsageRecord]) -> list[_PrefixHour]:
    """Sum those records by hour and prefix that say how the prefix does."""
    hours: dict[tuple[int, str], _PrefixHour] = {}
    for record in records:
        verdict = verdict_of(record.status, record.code, record.attempts)
        if verdict is None:
            continue
        key = (int(record.started_at // _HOUR_S), prefix_of(record.model))
        hour = hours.get(key)
        if hour is None:
            hour = hours[key] = _PrefixHour(*key)
        hour.successes += verdict
        hour.errors += not verdict
    return list(hours.values())


def _usage_row(by: str, row: Row[tuple[object, ...]]) -> UsageRow:
    # Some databases give the sum of 64-bit integers as a decimal number.
    return UsageRow(
        day=row.name if by == "day" else "",
        account_id=row.name if by == "account" else "",
        model=row.name if by == "model" else "",
        provider=row.name if by == "provider" else "",
        requests=int(row.requests),
        successes=int(row.successes),
        input_tokens=int(row.input_tokens),
        output_tokens=int(row.output_tokens),
        cached_tokens=int(row.cached_tokens),
        reasoning_tokens=int(row.reasoning_tokens),
        images=int(row.images),
        cost_micro_usd=int(row.cost_micro_usd),
    )
