"""Signing in to the pages: sessions; what is left of an erased account; how an account's failed requests failed."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create tables and columns with a default; code of the revision before does not know them and is not disturbed."""
    op.create_table(
        "web_sessions",
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("login", sa.LargeBinary(), nullable=False),
        sa.Column("discord_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("expires_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name="pk_web_sessions"),
        sa.UniqueConstraint("login", name="uq_web_sessions_login"),
    )
    op.create_index("ix_web_sessions_discord_id", "web_sessions", ["discord_id"])
    op.create_index("ix_web_sessions_expires_at", "web_sessions", ["expires_at"])
    op.create_table(
        "erased_accounts",
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("first_day", sa.Double(), nullable=False),
        sa.Column("member_hash", sa.LargeBinary(), nullable=True),
        sa.Column("barred_until", sa.Double(), nullable=True),
        sa.Column("was_suspended", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("account_id", name="pk_erased_accounts"),
    )
    op.create_index("ix_erased_accounts_at", "erased_accounts", ["at"])
    op.create_index("ix_erased_accounts_member_hash", "erased_accounts", ["member_hash"])
    op.create_table(
        "kept_secrets",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_kept_secrets"),
    )
    for name in ("client_errors", "canceled", "server_errors"):
        op.add_column("usage_day_accounts", sa.Column(name, sa.BigInteger(), server_default="0", nullable=False))
