"""Sums per hour and model, and word of every change on PostgreSQL."""

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
    if op.get_bind().dialect.name == "postgresql":
        op.execute(_EXISTING.format(hour="FLOOR(started_at / 3600)"))
        op.execute(_NOTIFY)
        op.execute(_TRIGGER)
    else:
        op.execute(_EXISTING.format(hour="started_at / 3600"))
