"""The first tables: accounts, keys, usage and its roll-ups."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create everything."""
    _create_accounts()
    _create_api_keys()
    _create_usage_records()
    _create_usage_days()
    _create_single_rows()


def _create_accounts() -> None:
    op.create_table(
        "accounts",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("unlimited", sa.Boolean(), nullable=False),
        sa.Column("discord_id", sa.Text()),
        sa.Column("tier_override", sa.Integer()),
        sa.Column("role_tier", sa.Integer()),
        sa.Column("pause_reason", sa.Text()),
        sa.Column("paused_until", sa.Double()),
        sa.PrimaryKeyConstraint("id", name="pk_accounts"),
        sa.UniqueConstraint("discord_id", name="uq_accounts_discord_id"),
    )
    op.create_index("ix_accounts_created_at_id", "accounts", ["created_at", "id"])


def _create_api_keys() -> None:
    op.create_table(
        "api_keys",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("prefix", sa.Text(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("revoked_at", sa.Double()),
        sa.PrimaryKeyConstraint("id", name="pk_api_keys"),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name="fk_api_keys_account_id"),
        sa.UniqueConstraint("digest", name="uq_api_keys_digest"),
    )
    op.create_index("ix_api_keys_created_at_id", "api_keys", ["created_at", "id"])
    op.create_index("ix_api_keys_account_id_created_at_id", "api_keys", ["account_id", "created_at", "id"])


def _create_usage_records() -> None:
    op.create_table(
        "usage_records",
        sa.Column("request_id", sa.Text(), nullable=False),
        sa.Column("started_at", sa.Double(), nullable=False),
        sa.Column("duration_ms", sa.BigInteger(), nullable=False),
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.Column("route", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("upstream_model", sa.Text(), nullable=False),
        sa.Column("success", sa.Boolean(), nullable=False),
        sa.Column("streamed", sa.Boolean(), nullable=False),
        sa.Column("estimated", sa.Boolean(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("first_token_ms", sa.BigInteger()),
        *_sums("input_tokens", "output_tokens", "cached_tokens", "reasoning_tokens", "images", "cost_micro_usd"),
        sa.PrimaryKeyConstraint("request_id", name="pk_usage_records"),
    )
    op.create_index("ix_usage_records_started_at", "usage_records", ["started_at"])


def _create_usage_days() -> None:
    op.create_table(
        "usage_days",
        sa.Column("day", sa.Text(), nullable=False),
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        *_sums("requests", "successes", "input_tokens", "output_tokens", "cached_tokens", "reasoning_tokens"),
        *_sums("images", "cost_micro_usd"),
        sa.PrimaryKeyConstraint("day", "account_id", "model", "provider", name="pk_usage_days"),
        sqlite_with_rowid=False,
    )


def _create_single_rows() -> None:
    changes = op.create_table(
        "changes",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        *_sums("counter"),
        sa.PrimaryKeyConstraint("id", name="pk_changes"),
    )
    totals = op.create_table(
        "usage_totals",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        *_sums("successful_requests", "input_tokens", "output_tokens"),
        sa.PrimaryKeyConstraint("id", name="pk_usage_totals"),
    )
    op.bulk_insert(changes, [{"id": 1, "counter": 0}])
    op.bulk_insert(totals, [{"id": 1, "successful_requests": 0, "input_tokens": 0, "output_tokens": 0}])


def _sums(*names: str) -> list[sa.Column[int]]:
    return [sa.Column(name, sa.BigInteger(), nullable=False) for name in names]
