"""The tables, as the newest migration leaves them (a test compares the two).

Instants are wall-clock seconds in double precision, as in the domain: they come back exactly as they went in, which
integer microseconds would not promise for every float. Money is whole micro-dollars. A UTC day is text such as
`2026-11-23`.

`usage_records` has one index beside its key, on `started_at` for retention: at ten million rows every index costs
each insert (one by account: 18 us of CPU), and nothing else reads raw rows in bulk. Reports read `usage_days`, and a
member's own list of requests looks at those days only on which they made some. That table is clustered by day
(`WITHOUT ROWID` on SQLite), so that "since" is a range and not a scan. `usage_totals` survives retention.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    false,
)

METADATA = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

ACCOUNTS = Table(
    "accounts",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("state", Text, nullable=False),
    Column("unlimited", Boolean, nullable=False),
    Column("discord_id", Text, unique=True),
    Column("tier_override", Integer),
    Column("role_tier", Integer),
    Column("pause_reason", Text),
    Column("paused_until", Double),
    Column("checked_in_on", Integer),
    Column("member_seen_at", Double),
    Column("is_unlisted", Boolean, nullable=False, server_default=false()),
    Index(None, "created_at", "id"),
)

API_KEYS = Table(
    "api_keys",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("account_id", Text, ForeignKey("accounts.id"), nullable=False),
    Column("name", Text, nullable=False),
    Column("prefix", Text, nullable=False),
    Column("digest", LargeBinary, nullable=False, unique=True),
    Column("created_at", Double, nullable=False),
    Column("revoked_at", Double),
    Index(None, "created_at", "id"),
    Index(None, "account_id", "created_at", "id"),
)

CHANGES = Table(
    "changes",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("counter", BigInteger, nullable=False),
)
"""One row, counted up in the transaction of every change to accounts and keys."""

AUDIT = Table(
    "audit",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("at", Double, nullable=False),
    Column("actor", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("account_id", Text),
    Column("reason", Text),
    Column("before", Text, nullable=False),
    Column("after", Text, nullable=False),
    Index(None, "at", "id"),
    Index(None, "account_id", "at", "id"),
)
"""Every change by an operator; `before` and `after` are JSON objects."""

USAGE_RECORDS = Table(
    "usage_records",
    METADATA,
    Column("request_id", Text, primary_key=True),
    Column("started_at", Double, nullable=False, index=True),
    Column("duration_ms", BigInteger, nullable=False),
    Column("account_id", Text, nullable=False),
    Column("key_id", Text, nullable=False),
    Column("route", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("status", Integer, nullable=False),
    Column("code", Text, nullable=False),
    Column("provider", Text, nullable=False),
    Column("upstream_model", Text, nullable=False),
    Column("success", Boolean, nullable=False),
    Column("streamed", Boolean, nullable=False),
    Column("estimated", Boolean, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("first_token_ms", BigInteger),
    Column("input_tokens", BigInteger, nullable=False),
    Column("output_tokens", BigInteger, nullable=False),
    Column("cached_tokens", BigInteger, nullable=False),
    Column("reasoning_tokens", BigInteger, nullable=False),
    Column("images", BigInteger, nullable=False),
    Column("cost_micro_usd", BigInteger, nullable=False),
)


def _sums() -> list[Column[int]]:
    names = (
        "requests",
        "successes",
        "input_tokens",
        "output_tokens",
        "cached_tokens",
        "reasoning_tokens",
        "images",
        "cost_micro_usd",
    )
    return [Column(name, BigInteger, nullable=False) for name in names]


USAGE_DAYS = Table(
    "usage_days",
    METADATA,
    Column("day", Text, primary_key=True),
    Column("account_id", Text, primary_key=True),
    Column("model", Text, primary_key=True),
    Column("provider", Text, primary_key=True),
    *_sums(),
    sqlite_with_rowid=False,
)

USAGE_DAY_MODELS = Table(
    "usage_day_models",
    METADATA,
    Column("day", Text, primary_key=True),
    Column("model", Text, primary_key=True),
    Column("provider", Text, primary_key=True),
    *_sums(),
    sqlite_with_rowid=False,
)
"""`usage_days` without accounts: reports and rankings read some thousands of rows instead of hundreds of thousands."""

STATUS_SUMS = ("client_errors", "canceled", "server_errors")

USAGE_DAY_ACCOUNTS = Table(
    "usage_day_accounts",
    METADATA,
    Column("day", Text, primary_key=True),
    Column("account_id", Text, primary_key=True),
    *_sums(),
    *(Column(name, BigInteger, nullable=False, server_default="0") for name in STATUS_SUMS),
    sqlite_with_rowid=False,
)
"""`usage_days` without models and providers, and how requests failed: 4xx, the client left (499), 5xx."""

USAGE_HOURS = Table(
    "usage_hours",
    METADATA,
    Column("hour", BigInteger, primary_key=True, autoincrement=False),
    Column("model", Text, primary_key=True),
    Column("requests", BigInteger, nullable=False),
    Column("successes", BigInteger, nullable=False),
    Column("failures", BigInteger, nullable=False),
    Column("duration_ms", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
"""`hour` counts from 1970; `failures` are 5xx. What rankings of a day read."""

PREFIX_HOURS = Table(
    "prefix_hours",
    METADATA,
    Column("hour", BigInteger, primary_key=True, autoincrement=False),
    Column("prefix", Text, primary_key=True),
    Column("successes", BigInteger, nullable=False),
    Column("errors", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
"""How each prefix did, by the same rule as `/v1/health`. By the hour, because an outage of one drowns in a busy day."""

USAGE_TOTALS = Table(
    "usage_totals",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("successful_requests", BigInteger, nullable=False),
    Column("input_tokens", BigInteger, nullable=False),
    Column("output_tokens", BigInteger, nullable=False),
)
"""One row: the sums over all time."""

ONLY_ROW = 1
"""The id of the single row in `changes` and `usage_totals`; the migration inserts it."""

DISCORD_INTERACTIONS = Table(
    "discord_interactions",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("at", Double, nullable=False, index=True),
    Column("answer", LargeBinary, nullable=False),
)
"""What was answered to each interaction; empty while the first answer is being found. An answer never holds a key."""

DISCORD_CHALLENGES = Table(
    "discord_challenges",
    METADATA,
    Column("nonce", Text, primary_key=True),
    Column("discord_id", Text, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("answer_digest", LargeBinary, nullable=False),
    Column("expires_at", Double, nullable=False, index=True),
)
"""Forms that wait to be sent in; a row is deleted by the one submit that may use it."""

DISCORD_EVENTS = Table(
    "discord_events",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("discord_id", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("at", Double, nullable=False),
    Index(None, "kind", "at"),
    Index(None, "discord_id", "kind", "at"),
)
"""What limits are counted from and operators look at: keys issued, wrong answers, signals."""

WEB_SESSIONS = Table(
    "web_sessions",
    METADATA,
    Column("digest", LargeBinary, primary_key=True),
    Column("login", LargeBinary, nullable=False, unique=True),
    Column("discord_id", Text, nullable=False, index=True),
    Column("name", Text, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("expires_at", Double, nullable=False, index=True),
)
"""Who is signed in to the pages: SHA-256 of the cookie, and of the sign-in that it came from, which is good once."""

ERASED_ACCOUNTS = Table(
    "erased_accounts",
    METADATA,
    Column("account_id", Text, primary_key=True),
    Column("at", Double, nullable=False, index=True),
    Column("first_day", Double, nullable=False),
    Column("member_hash", LargeBinary, index=True),
    Column("barred_until", Double),
    Column("was_suspended", Boolean, nullable=False),
)
"""What is left of an erased account: nothing that names a person, and until when the same person is given no new one.

`member_hash` is the keyed hash of the Discord id; `barred_until` absent = for good. `first_day` is when the account was
made: from there on its usage is looked for.
"""

KEPT_SECRETS = Table(
    "kept_secrets",
    METADATA,
    Column("name", Text, primary_key=True),
    Column("value", LargeBinary, nullable=False),
)
"""Random keys that the gateway made for itself, such as that of `member_hash`."""

CHECK_INS = Table(
    "check_ins",
    METADATA,
    Column("account_id", Text, primary_key=True),
    Column("day", Integer, primary_key=True, autoincrement=False),
    Column("at", Double, nullable=False, index=True),
)
"""Who checked in on which day, counted from 1970, once each; `accounts.checked_in_on` is the last of them."""
