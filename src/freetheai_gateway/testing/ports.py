"""Fakes of the services' ports, all in memory: scripted upstream replies, a ledger, a sink, keys, a provider.

Each keeps what it was asked for, so that a test can look at it afterwards; nothing here has a behaviour of its own.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from freetheai_gateway.dialects.protocol import DialectName
from freetheai_gateway.domain.accounts import Caller
from freetheai_gateway.domain.pools import KeyLimits, Terms
from freetheai_gateway.domain.usage import UsageRecord
from freetheai_gateway.errors import ClientCanceled, GatewayError
from freetheai_gateway.services.limit_headers import split_lines
from freetheai_gateway.services.ports import Origin, ProviderCall, Readiness, UpstreamFailed, UpstreamRequest

History = list[tuple[str, object]]
"""What happened in which order, where several fakes are given the same list."""


class Pause:
    """A point of a script at which it stays until `release`, or until the task that waits there is cancelled.

    With `meanwhile` it does that, which may raise, and goes on by itself.
    """

    def __init__(self, meanwhile: Callable[[], None] | None = None) -> None:
        self.reached = asyncio.Event()
        self._released = asyncio.Event()
        self._meanwhile = meanwhile

    def release(self) -> None:
        """Go on."""
        self._released.set()

    async def hold(self) -> None:
        """Wait here."""
        self.reached.set()
        if self._meanwhile is not None:
            self._meanwhile()
            return
        await self._released.wait()


class FakeReply:
    """Implements `UpstreamReply`: `steps` are body bytes, a failure to raise, or a pause before the next step."""

    def __init__(
        self,
        *steps: bytes | UpstreamFailed | Pause,
        status: int = 200,
        content_type: bytes = b"application/json",
        headers: Sequence[tuple[bytes, bytes]] = (),
    ) -> None:
        self.status = status
        self.headers = [(b"content-type", content_type), *headers]
        self.closed = 0
        """How often it was closed."""
        self.read_to_end = False
        self.contents = 0
        """How often its first content was noted."""
        self._script = steps
        self._left = list(steps)

    @property
    def whole(self) -> bytes:
        """All bytes of the body, whatever else is planned."""
        return b"".join(step for step in self._script if isinstance(step, bytes))

    @property
    def at_end(self) -> bool:
        """Leave it to `read`."""
        return False

    async def read(self) -> bytes:
        """Take the next step."""
        while self._left:
            step = self._left.pop(0)
            if isinstance(step, Pause):
                await step.hold()
            elif isinstance(step, UpstreamFailed):
                raise step
            else:
                return step
        self.read_to_end = True
        return b""

    def content_came(self) -> None:
        """Count."""
        self.contents += 1

    def again(self) -> "FakeReply":
        """Make a fresh reply of the same script."""
        again = FakeReply(*self._script, status=self.status)
        again.headers = self.headers
        return again

    def close(self) -> None:
        """Count."""
        self.closed += 1


class FakeUpstreamClient:
    """Implements `UpstreamClient`: each call takes the next entries of `script`, up to a reply or a failure."""

    def __init__(self, *script: FakeReply | UpstreamFailed | Pause) -> None:
        self.requests: list[UpstreamRequest] = []
        self.script = list(script)

    async def send(self, request: UpstreamRequest) -> FakeReply:
        """Take the next entries of the script."""
        self.requests.append(request)
        while True:
            entry = self.script.pop(0)
            if isinstance(entry, FakeReply):
                return entry
            if isinstance(entry, UpstreamFailed):
                raise entry
            await entry.hold()

    async def aclose(self) -> None:
        """Nothing is open."""


class MemoryLedger:
    """Implements `Ledger`; raises `failure` instead of keeping anything where one is given."""

    def __init__(self, history: History | None = None, failure: Exception | None = None) -> None:
        self.records: list[UsageRecord] = []
        self._history = history
        self._failure = failure

    def append(self, record: UsageRecord) -> None:
        """Keep the record."""
        if self._failure is not None:
            raise self._failure
        self.records.append(record)
        if self._history is not None:
            self._history.append(("record", record))


class RecordingSink:
    """Implements `Sink`. `reason` is what an interruption is put down to; `pauses` holds the n-th sending."""

    def __init__(
        self,
        history: History | None = None,
        *,
        reason: GatewayError | None = None,
        pauses: Mapping[int, Pause] | None = None,
    ) -> None:
        self.history: History = [] if history is None else history
        self.headers: dict[bytes, bytes] = {}
        self.sign_of_life = b""
        self._reason = reason or ClientCanceled("The client left before the reply was complete.")
        self._pauses = pauses or {}
        self._sendings = 0

    @property
    def sent(self) -> bytes:
        """Every byte that was sent, in order."""
        return b"".join(data for what, data in self.history if what != "record" and isinstance(data, bytes))

    def add_headers(self, headers: Sequence[tuple[bytes, bytes]]) -> None:
        """Keep the headers."""
        self.headers.update(headers)

    def add_lines(self, lines: bytes) -> None:
        """Keep the headers."""
        self.headers.update(split_lines(lines))

    def drop_header(self, name: bytes) -> None:
        """Forget the header."""
        self.headers.pop(name, None)

    def keep_alive(self, sign_of_life: bytes) -> None:
        """Keep the sign."""
        self.sign_of_life = sign_of_life

    async def write(self, data: bytes) -> None:
        """Keep the bytes."""
        await self._take("write", data)

    async def finish(self, data: bytes) -> None:
        """Keep the last bytes."""
        await self._take("finish", data)

    async def reply(self, body: bytes) -> None:
        """Keep the answer."""
        await self._take("reply", body)

    async def begin(self, size: int) -> None:
        """Keep the length."""
        self.headers[b"content-length"] = b"%d" % size

    def interruption(self) -> GatewayError:
        """Give the reason."""
        return self._reason

    async def _take(self, what: str, data: bytes) -> None:
        self._sendings += 1
        if (pause := self._pauses.get(self._sendings)) is not None:
            await pause.hold()
        self.history.append((what, data))


class StaticKeyLookup:
    """Implements `KeyLookup` over callers by digest; `asked` are the digests of every query, `pause` holds them."""

    def __init__(self, callers: Mapping[bytes, Caller] | None = None, pause: Pause | None = None) -> None:
        self.callers = dict(callers or {})
        self.asked: list[bytes] = []
        self.failure: Exception | None = None
        """What every query raises from now on."""
        self._pause = pause

    async def find_caller(self, digest: bytes) -> Caller | None:
        """Look the digest up."""
        self.asked.append(digest)
        if self.failure is not None:
            raise self.failure
        found = self.callers.get(digest)
        if self._pause is not None:
            await self._pause.hold()
        return found


@dataclass(slots=True)
class FakeProvider:
    """Implements `Provider`; its fields are its answers, and may be changed at any time."""

    name: str = "zai"
    dialects: Sequence[DialectName] = (DialectName.OPENAI_CHAT, DialectName.ANTHROPIC_MESSAGES)
    max_concurrency: int = 0
    keys: tuple[str, ...] = ("",)
    key_limits: KeyLimits = field(default_factory=KeyLimits)
    daily_budget_micro_usd: int = 0
    shared_with_members: bool = True
    fetches: Sequence[str] = ("",)
    state: Readiness = Readiness.READY
    origin: Origin = field(default_factory=lambda: Origin("https", "upstream.invalid", 443))

    @property
    def terms(self) -> Terms:
        """Give what the fields say."""
        return Terms(
            keys=self.keys,
            max_concurrency=self.max_concurrency,
            key_limits=self.key_limits,
            daily_budget_micro_usd=self.daily_budget_micro_usd,
        )

    def readiness(self) -> Readiness:
        """Give `state`."""
        return self.state

    def call(self, call: ProviderCall, key_index: int) -> UpstreamRequest:
        """Address the body to a path that is the dialect's name; a key that has a name is shown in a header."""
        key = self.keys[key_index]
        headers = (*call.headers, (b"x-key", key.encode())) if key else call.headers
        return UpstreamRequest(
            "POST", self.origin, f"/{call.dialect}", headers=headers, body=call.body, streamed=call.streamed
        )

    def list_models(self, key_index: int) -> UpstreamRequest | None:
        """Ask for `/models`."""
        return UpstreamRequest("GET", self.origin, "/models", headers=((b"x-key", self.keys[key_index].encode()),))


class RecordingLog:
    """Implements `log.Log`: keeps level, event and fields."""

    def __init__(self) -> None:
        self.entries: list[tuple[str, str, dict[str, object]]] = []

    def debug(self, event: str, **fields: object) -> None:
        """Keep it."""
        self.entries.append(("debug", event, fields))

    def info(self, event: str, **fields: object) -> None:
        """Keep it."""
        self.entries.append(("info", event, fields))

    def warning(self, event: str, **fields: object) -> None:
        """Keep it."""
        self.entries.append(("warning", event, fields))

    def error(self, event: str, **fields: object) -> None:
        """Keep it."""
        self.entries.append(("error", event, fields))
