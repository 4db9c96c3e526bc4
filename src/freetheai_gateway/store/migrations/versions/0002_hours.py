"""Sums by hour and model, by day and model, by day and account; and word of every change on PostgreSQL."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_EXISTING = """
INSERT INTO usage_hours (hour, model, requests, successes, failures, duration_ms)
SELECT CAST({hour} AS BIGINT) AS hour_of_it, model, COUNT(*), SUM(CAST(success AS INTEGER)),
       SUM(CASE WHEN status >= 500 THEN 1 ELSE 0 END), SUM(duration_ms)
FROM usage_records GROUP BY hour_of_it, model
"""
_SUMS = (
    "requests",
    "successes",
    "input_tokens",
    "output_tokens",
    "cached_tokens",
    "reasoning_tokens",
    "images",
    "cost_micro_usd",
)
_NARROWER = {"usage_day_models": ("day", "model", "provider"), "usage_day_accounts": ("day", "account_id")}
_NOTIFY = """
CREATE OR REPLACE FUNCTION freetheai_tell_change() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN PERFORM pg_notify('freetheai_changes', ''); RETURN NULL; END $$
"""
_TRIGGER = """
CREATE TRIGGER freetheai_changes AFTER UPDATE ON changes
FOR EACH STATEMENT EXECUTE FUNCTION freetheai_tell_change()
"""


def upgrade() -> None:
    """Create the table, fill it from the records that there are, and have changes told."""
    op.create_table(
        "usage_hours",
        sa.Column("hour", sa.BigInteger(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("requests", sa.BigInteger(), nullable=False),
        sa.Column("successes", sa.BigInteger(), nullable=False),
        sa.Column("failures", sa.BigInteger(), nullable=False),
        sa.Column("duration_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("hour", "model", name="pk_usage_hours"),
        sqlite_with_rowid=False,
    )
    for table, key in _NARROWER.items():
        _create_narrower(table, key)
    if op.get_bind().dialect.name == "postgresql":
        op.execute(_EXISTING.format(hour="FLOOR(started_at / 3600)"))
        op.execute(_NOTIFY)
        op.execute(_TRIGGER)
    else:
        op.execute(_EXISTING.format(hour="started_at / 3600"))


def _create_narrower(table: str, key: tuple[str, ...]) -> None:
    """Create sums with a shorter key, and add up those that there are."""
    op.create_table(
        table,
        *(sa.Column(name, sa.Text(), nullable=False) for name in key),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in _SUMS),
        sa.PrimaryKeyConstraint(*key, name=f"pk_{table}"),
        sqlite_with_rowid=False,
    )
    days = sa.table("usage_days", *(sa.column(name) for name in (*key, *_SUMS)))
    keys = [days.c[name] for name in key]
    sums = [sa.cast(sa.func.sum(days.c[name]), sa.BigInteger()) for name in _SUMS]
    narrower = sa.table(table, *(sa.column(name) for name in (*key, *_SUMS)))
    op.execute(narrower.insert().from_select([*key, *_SUMS], sa.select(*keys, *sums).group_by(*keys)))
