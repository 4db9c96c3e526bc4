"""The ports: what the use cases need of the outside world. Adapters implement them, `app` joins the two.

One contract suite per port runs over every adapter (`tests/contract`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

import msgspec

from freetheai_gateway.dialects.protocol import DialectName
from freetheai_gateway.domain.accounts import Account, AccountFields, ApiKey, Caller
from freetheai_gateway.domain.audit import AuditEntry, Note
from freetheai_gateway.domain.health import PrefixDay, Thresholds
from freetheai_gateway.domain.limits import Delivered, Limits, Refusal, Standing
from freetheai_gateway.domain.pools import DEFAULT_TIMEOUTS, Terms, Timeouts
from freetheai_gateway.domain.usage import UsageRecord
from freetheai_gateway.errors import GatewayError

# --- upstream calls -------------------------------------------------------------------------------------------


class Phase(StrEnum):
    """How far an upstream call had come. From `SENT` on the upstream may have executed it."""

    RESOLVE = "resolve"
    CONNECT = "connect"
    TLS = "tls"
    SENT = "sent"
    HEAD = "head"
    BODY = "body"


class Failure(StrEnum):
    """What ended an upstream call."""

    CONNECT_TIMEOUT = "connect_timeout"
    HEAD_TIMEOUT = "head_timeout"
    CONTENT_TIMEOUT = "content_timeout"
    """A stream lived, and brought no content in time."""
    IDLE_TIMEOUT = "idle_timeout"
    TOTAL_TIMEOUT = "total_timeout"
    RESOLVE = "resolve"
    """The host name has no address."""
    REFUSED = "refused"
    """No connection could be made, for any reason but a deadline."""
    TLS = "tls"
    """The certificate or the handshake."""
    PROXY = "proxy"
    """The CONNECT proxy said no."""
    CLOSED = "closed"
    """The peer closed or reset before the reply was complete."""
    PROTOCOL = "protocol"
    """What came is not HTTP, or over a cap."""


class UpstreamFailed(Exception):
    """An upstream call that brought no complete reply. Holds no foreign text: class, phase and errno only."""

    def __init__(self, failure: Failure, phase: Phase, errno: int | None = None) -> None:
        super().__init__(f"{failure} in phase {phase}" + (f", errno {errno}" if errno is not None else ""))
        self.failure = failure
        self.phase = phase
        self.errno = errno

    @property
    def request_sent(self) -> bool:
        """Whether a byte of the request left, so that the upstream may have executed it."""
        return self.phase in {Phase.SENT, Phase.HEAD, Phase.BODY}


class Origin(msgspec.Struct, frozen=True, gc=False):
    """Where connections go and are pooled by: `proxy` is an HTTP proxy's URL (CONNECT), or empty."""

    scheme: str
    host: str
    port: int
    proxy: str = ""


class UpstreamRequest(msgspec.Struct, frozen=True, gc=False):
    """One HTTP request; `headers` without Host, Content-Length, Connection and Transfer-Encoding.

    `streamed` says which deadlines hold: `first_byte_s`, `first_content_s` and `idle_s` for streams only, `connect_s`
    and `total_s` always.
    """

    method: str
    origin: Origin
    target: str
    headers: tuple[tuple[bytes, bytes], ...] = ()
    body: bytes = b""
    streamed: bool = False
    timeouts: Timeouts = DEFAULT_TIMEOUTS


class UpstreamReply(Protocol):
    """A reply whose head has arrived. `close` must be called in every case; it never blocks."""

    @property
    def status(self) -> int:
        """The final status; 1xx were skipped."""
        ...

    @property
    def headers(self) -> Sequence[tuple[bytes, bytes]]:
        """Names in lower case, in the order they came."""
        ...

    @property
    def at_end(self) -> bool:
        """Whether all of the body was taken; where it is false only another `read` can tell."""
        ...

    async def read(self) -> bytes:
        """Wait for body bytes and take all that have arrived; `b""` at the clean end. Raises `UpstreamFailed`."""
        ...

    def content_came(self) -> None:
        """Note that the first content was read: `first_content_s` holds no more."""
        ...

    def close(self) -> None:
        """Give a completely read connection back to the pool, abort any other. May be called twice."""
        ...


class UpstreamClient(Protocol):
    """Sends requests to upstreams. Cancelling `send` or `read` closes the connection at once."""

    async def send(self, request: UpstreamRequest) -> UpstreamReply:
        """Send and wait for the head of the reply. Raises `UpstreamFailed`."""
        ...

    async def aclose(self) -> None:
        """Close what is idle and abort what is not."""
        ...


# --- providers ------------------------------------------------------------------------------------------------


class Readiness(StrEnum):
    """Whether a provider can be called now."""

    READY = "ready"
    NOT_CONFIGURED = "not_configured"
    """No key, or what it needs is not installed."""
    LOADING = "loading"
    """It will be there in a moment."""


class ProviderCall(msgspec.Struct, frozen=True, gc=False):
    """A request rendered in one of a provider's dialects. `headers` are the client's own that go with it."""

    dialect: DialectName
    model: str
    body: bytes
    streamed: bool
    headers: tuple[tuple[bytes, bytes], ...] = ()
    operation: str = ""
    """What stands behind the dialect's path, such as `/count_tokens`."""


class Provider(Protocol):
    """An upstream provider of the configuration: where it is and how it is spoken to."""

    @property
    def name(self) -> str:
        """Its name in the configuration."""
        ...

    @property
    def terms(self) -> Terms:
        """What holds for calls to it: keys, concurrency, limits, budget."""
        ...

    @property
    def shared_with_members(self) -> bool:
        """Whether accounts with limits may use it; its terms may forbid sharing."""
        ...

    @property
    def dialects(self) -> Sequence[DialectName]:
        """What it speaks, the one to translate into first."""
        ...

    @property
    def fetches(self) -> Sequence[str]:
        """Beginnings of the addresses of pictures that it fetches by itself; `""` begins every one."""
        ...

    def readiness(self) -> Readiness:
        """Whether it can be called now."""
        ...

    def call(self, call: "ProviderCall", key_index: int) -> UpstreamRequest:
        """Address and authenticate a rendered request with one of the keys of `terms`."""
        ...

    def list_models(self, key_index: int) -> UpstreamRequest | None:
        """Make a cheap request that shows whether provider and key are well; `None` where there is none."""
        ...


# --- the client's side ----------------------------------------------------------------------------------------


class Sink(Protocol):
    """Where the answer to one request goes. Headers may be added until the first byte is written."""

    def add_headers(self, headers: Sequence[tuple[bytes, bytes]]) -> None:
        """Add response headers; names in lower case."""
        ...

    def add_lines(self, lines: bytes) -> None:
        """Add finished header lines, each begun by CR LF: for headers that go with every answer.

        They are not looked at again: values come from numbers and fixed words, never from outside.
        """
        ...

    def drop_header(self, name: bytes) -> None:
        """Take back a header that was added: another upstream is asked now."""
        ...

    def keep_alive(self, sign_of_life: bytes) -> None:
        """From now on answer as a stream, and send this whenever nothing else was sent for a while."""
        ...

    async def write(self, data: bytes) -> None:
        """Send bytes of a stream."""
        ...

    async def finish(self, data: bytes) -> None:
        """Send the last bytes of a stream."""
        ...

    async def reply(self, body: bytes) -> None:
        """Send a whole JSON answer with status 200."""
        ...

    async def begin(self, size: int) -> None:
        """Begin a JSON answer of so many bytes with status 200; `write` and `finish` send them."""
        ...

    def interruption(self) -> GatewayError:
        """Say why the request was cancelled: the client left, or the server is shutting down."""
        ...


# --- admission ------------------------------------------------------------------------------------------------


class Lease(Protocol):
    """A request that was admitted: it holds one slot until it is settled, which happens exactly once."""

    @property
    def standings(self) -> Sequence[Standing]:
        """Where the account stood right after this admission or later, one entry per limit that it has.

        Resets count from now.
        """
        ...

    def settle(self, *, delivered: bool, tokens: int = 0, images: int = 0) -> None:
        """Free the slot; keep the daily reservation if content was delivered, else give it back; charge tokens.

        Of the images that were reserved at admission, those that were made count. Calls after the first do nothing.
        """
        ...


class Limiter(Protocol):
    """Decides requests and tokens per minute, concurrency and the caps of the day together, or none of them."""

    async def admit(self, account_id: str, limits: Limits, *, wait_s: float = 0.0, images: int = 0) -> Lease | Refusal:
        """Admit or refuse one request, which asks for so many `images`; a refusal consumes nothing.

        A request that only concurrency stands against may wait up to `wait_s`, first come first served, holding no
        slot; a cancelled wait leaves nothing behind. Raises `errors.ProviderUnavailable` where counts can't be
        reached and nothing is to pass then.
        """
        ...

    async def standings_of(self, accounts: Mapping[str, Limits]) -> Mapping[str, Sequence[Standing]]:
        """Tell where accounts stand now under these limits, one entry per limit that each has."""
        ...

    async def restore_day(self, delivered: Delivered) -> None:
        """Take over what the ledger says of today; a count is never lowered, other days are ignored."""
        ...


class RefusalCounter(Protocol):
    """Keeps a client that only collects refusals from doing so at full speed (300 a minute per key)."""

    def blocked(self, key_id: str, now: float) -> float | None:
        """Say for how many seconds the key is not even looked at; `None` where it is."""
        ...

    def count(self, key_id: str, now: float) -> None:
        """Count one refusal."""
        ...


# --- what is kept ---------------------------------------------------------------------------------------------


class StoreFailed(Exception):
    """Base of what a store can answer besides a result. Holds no foreign text: neither SQL nor values."""


class StoreUnavailable(StoreFailed):
    """The database is away, locked for too long, full or broken; the same call may succeed later."""


class StoreConflict(StoreFailed):
    """The change contradicts what is kept: an id, digest or name is taken, or an account does not exist."""


class InvalidCursor(StoreFailed):
    """`Page.after` is no cursor that a list gave."""


class KeyLookup(Protocol):
    """The one query that a request may need."""

    async def find_caller(self, digest: bytes) -> Caller | None:
        """Find who a key belongs to; `None` where it is unknown or revoked."""
        ...


class Ledger(Protocol):
    """Where the record of a finished request goes before its last bytes are sent."""

    def append(self, record: UsageRecord) -> None:
        """Keep the record; it survives `kill -9` before anything is sent that was put into the `Outbox` after it.

        Never blocks on a database, never raises.
        """
        ...


@dataclass(frozen=True, slots=True)
class UsageRow:
    """One line of a usage report; the fields that the report does not group by are empty."""

    day: str
    account_id: str
    model: str
    provider: str
    requests: int
    successes: int
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    reasoning_tokens: int
    images: int
    cost_micro_usd: int


@dataclass(frozen=True, slots=True)
class UsageTotals:
    """Sums since the first day; what retention deleted is still counted."""

    successful_requests: int = 0
    input_tokens: int = 0
    output_tokens: int = 0


@dataclass(frozen=True, slots=True)
class ModelRequests:
    """How often a model was called."""

    model: str
    requests: int


@dataclass(frozen=True, slots=True)
class Page:
    """A slice of a list: `after` is the cursor that the last page gave."""

    limit: int = 100
    after: str | None = None


class AccountStore(Protocol):
    """Accounts and their keys; every change is seen by every process in under a second.

    A change that is given a `note` writes it, with what was before and after, in its own transaction.
    """

    async def create_account(self, account: Account, key: ApiKey | None = None, *, note: Note | None = None) -> None:
        """Insert an account, with its first key where one is given: both or neither."""
        ...

    async def find_account(self, account_id: str) -> Account | None:
        """Read an account."""
        ...

    async def list_accounts(self, page: Page, *, search: str = "") -> tuple[Sequence[Account], str | None]:
        """Read accounts by creation, with the cursor of the next page.

        `search` keeps those whose name holds it, and the one whose id or Discord id it is.
        """
        ...

    async def change_account(
        self, account_id: str, fields: AccountFields, *, note: Note | None = None
    ) -> Account | None:
        """Set fields of an account; returns it as it is afterwards, `None` where there is no such account."""
        ...

    async def create_key(self, key: ApiKey, *, note: Note | None = None) -> None:
        """Insert a key."""
        ...

    async def find_key(self, key_id: str) -> ApiKey | None:
        """Read a key, revoked ones too."""
        ...

    async def list_keys(self, page: Page, *, account_id: str | None = None) -> tuple[Sequence[ApiKey], str | None]:
        """Read keys by creation, with the cursor of the next page."""
        ...

    async def revoke_key(self, key_id: str, at: float, *, note: Note | None = None) -> ApiKey | None:
        """Revoke; returns the revoked key, `None` where there is no such key or it was revoked before."""
        ...

    async def replace_key(self, old_key_id: str, new_key: ApiKey, at: float, *, note: Note | None = None) -> bool:
        """Revoke the old key and insert the new one in one transaction; `False` where there is none to revoke."""
        ...


class AuditStore(Protocol):
    """What was changed, by whom; nothing in it is ever changed or deleted."""

    async def record(self, entry: AuditEntry) -> None:
        """Keep an entry of something that is not in the database, such as a reload."""
        ...

    async def list_entries(
        self, page: Page, *, account_id: str | None = None
    ) -> tuple[Sequence[AuditEntry], str | None]:
        """Read entries, the newest first, with the cursor of the next page; of one account and its keys, or all."""
        ...


class UsageStore(Protocol):
    """Usage records and their roll-ups."""

    async def insert(self, records: Sequence[UsageRecord]) -> int:
        """Insert what is not there yet, by `request_id`; returns how many were new. One transaction."""
        ...

    async def find(self, request_id: str) -> UsageRecord | None:
        """Read one record."""
        ...

    async def report(self, by: str, since: str | None = None) -> Sequence[UsageRow]:
        """Sum the roll-ups by `provider`, `account`, `model` or `day`, from the UTC day `since` on."""
        ...

    async def delivered_on(self, day: str) -> Delivered:
        """Count what was delivered to each account on a UTC day: what the daily caps restart from."""
        ...

    async def totals(self) -> UsageTotals:
        """Read the sums over all time."""
        ...

    async def leaderboard_since(self, since: float, limit: int) -> Sequence[ModelRequests]:
        """Rank the models that answered at least once since an instant, from the records themselves."""
        ...

    async def leaderboard(self, since_day: str | None, limit: int) -> Sequence[ModelRequests]:
        """Rank the models that answered at least once since the UTC day, the most called first."""
        ...

    async def prefix_days(self, since: float, thresholds: Thresholds) -> Sequence[PrefixDay]:
        """Sum how each prefix did by UTC day, from the hour on in which an instant lies; of all nodes together."""
        ...
