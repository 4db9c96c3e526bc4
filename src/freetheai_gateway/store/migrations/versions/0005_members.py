"""Members: check-ins, when Discord last said how a member stands, and who is on no list."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add columns that the code of the revision before leaves alone, and a table that it does not know."""
    op.add_column("accounts", sa.Column("checked_in_on", sa.Integer(), nullable=True))
    op.add_column("accounts", sa.Column("member_seen_at", sa.Double(), nullable=True))
    op.add_column("accounts", sa.Column("is_unlisted", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.create_table(
        "check_ins",
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("day", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("account_id", "day", name="pk_check_ins"),
    )
    op.create_index("ix_check_ins_at", "check_ins", ["at"])
