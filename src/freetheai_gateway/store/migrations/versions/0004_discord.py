"""The key desk on Discord: what was answered, forms that are open, events that limits are counted from."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables; code of the revision before does not know them and is not disturbed."""
    op.create_table(
        "discord_interactions",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("answer", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_discord_interactions"),
    )
    op.create_index("ix_discord_interactions_at", "discord_interactions", ["at"])
    op.create_table(
        "discord_challenges",
        sa.Column("nonce", sa.Text(), nullable=False),
        sa.Column("discord_id", sa.Text(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("answer_digest", sa.LargeBinary(), nullable=False),
        sa.Column("expires_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("nonce", name="pk_discord_challenges"),
    )
    op.create_index("ix_discord_challenges_expires_at", "discord_challenges", ["expires_at"])
    op.create_table(
        "discord_events",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("discord_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_discord_events"),
    )
    op.create_index("ix_discord_events_kind_at", "discord_events", ["kind", "at"])
    op.create_index("ix_discord_events_discord_id_kind_at", "discord_events", ["discord_id", "kind", "at"])
