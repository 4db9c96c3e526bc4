"""How each prefix did, by the hour: what the 90 days of the status page are read from."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_EXISTING = """
INSERT INTO prefix_hours (hour, prefix, successes, errors)
SELECT CAST({hour} AS BIGINT) AS hour_of_it, {prefix} AS prefix_of_it,
       SUM(CASE WHEN status = 200 THEN 1 ELSE 0 END), SUM(CASE WHEN status = 200 THEN 0 ELSE 1 END)
FROM usage_records
WHERE (status = 200 AND attempts > 0)
   OR (status >= 500 AND code NOT IN ('database_unavailable', 'not_configured', 'overloaded', 'restarting'))
GROUP BY hour_of_it, prefix_of_it
"""


def upgrade() -> None:
    """Create the table and fill it from the records that there are."""
    op.create_table(
        "prefix_hours",
        sa.Column("hour", sa.BigInteger(), nullable=False),
        sa.Column("prefix", sa.Text(), nullable=False),
        sa.Column("successes", sa.BigInteger(), nullable=False),
        sa.Column("errors", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("hour", "prefix", name="pk_prefix_hours"),
        sqlite_with_rowid=False,
    )
    if op.get_bind().dialect.name == "postgresql":
        op.execute(_EXISTING.format(hour="FLOOR(started_at / 3600)", prefix="SPLIT_PART(model, '/', 1)"))
    else:
        # With a slash appended there always is one.
        op.execute(_EXISTING.format(hour="started_at / 3600", prefix="SUBSTR(model, 1, INSTR(model || '/', '/') - 1)"))
