"""A governed gateway without sockets: real admission, dispatch, relay and settlement between fakes."""

import asyncio
from collections.abc import Awaitable, Callable

from freetheai_gateway.dialects.anthropic_messages import AnthropicMessages
from freetheai_gateway.dialects.openai_chat import OpenAIChat
from freetheai_gateway.dialects.protocol import Dialect
from freetheai_gateway.domain.accounts import Caller
from freetheai_gateway.domain.catalogue import Tier
from freetheai_gateway.domain.fleet import Target
from freetheai_gateway.domain.limits import Limits, Rule
from freetheai_gateway.domain.usage import UsageRecord
from freetheai_gateway.errors import GatewayError
from freetheai_gateway.jsonc import encode
from freetheai_gateway.limits.memory import MemoryLimiter
from freetheai_gateway.limits.refusals import RefusalGuard
from freetheai_gateway.services.admit import Admission
from freetheai_gateway.services.completions import Completions, Sent
from freetheai_gateway.services.directory import Directory, Offer
from freetheai_gateway.services.dispatch import Dispatcher
from freetheai_gateway.services.lanes import LaneBuilder
from freetheai_gateway.services.ports import UpstreamFailed
from freetheai_gateway.services.trace import Trace
from freetheai_gateway.testing.clock import FakeClock
from freetheai_gateway.testing.offers import GLM, make_offer, member
from freetheai_gateway.testing.ports import (
    FakeReply,
    FakeUpstreamClient,
    History,
    MemoryLedger,
    Pause,
    RecordingSink,
)

CHAT = OpenAIChat()
MESSAGES = AnthropicMessages()
SSE = b"text/event-stream; charset=utf-8"
DONE = b"data: [DONE]\n\n"
DAILY = 5
TIERS = (
    Tier(1, "Starter", Limits(requests_per_minute=10, tokens_per_minute=10_000, concurrency=1, daily_requests=DAILY)),
)

WHOLE = encode(
    {
        "id": "x",
        "model": "glm-5.1",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello."}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 30, "completion_tokens": 20, "prompt_tokens_details": {"cached_tokens": 10}},
    }
)


def chunk(text: str = "", *, finish: str | None = None) -> bytes:
    """Make one chunk of a stream."""
    choice = {"index": 0, "delta": {"content": text} if text else {}, "finish_reason": finish}
    return b"data: " + encode({"id": "x", "model": "glm-5.1", "choices": [choice]}) + b"\n\n"


def usage_chunk(prompt: int = 30, completion: int = 20) -> bytes:
    """Make the chunk that ends a stream with its usage."""
    usage = {"prompt_tokens": prompt, "completion_tokens": completion}
    return b"data: " + encode({"id": "x", "model": "glm-5.1", "choices": [], "usage": usage}) + b"\n\n"


def streamed(*steps: bytes | UpstreamFailed | Pause) -> FakeReply:
    """Make an event stream."""
    return FakeReply(*steps, content_type=SSE)


def body(*, stream: bool = False, model: str = GLM, prompt: str = "Hi") -> bytes:
    """Make a request that both dialects read."""
    return encode({"model": model, "stream": stream, "messages": [{"role": "user", "content": prompt}]})


class Governed:
    """Sends requests through the services; everything that they left behind can be looked at."""

    def __init__(
        self,
        *script: FakeReply | UpstreamFailed | Pause,
        offer: Offer | None = None,
        ledger_failure: Exception | None = None,
    ) -> None:
        self.history: History = []
        self.clock = FakeClock()
        self.limiter = MemoryLimiter(self.clock)
        self.client = FakeUpstreamClient(*script)
        self.ledger = MemoryLedger(self.history, ledger_failure)
        self.sink = RecordingSink(self.history)
        self.dispatcher = Dispatcher(self.client, LaneBuilder({}, {}), self.clock)
        self.directory = Directory(offer or make_offer(tiers=TIERS))
        self.admission = Admission(self.limiter, RefusalGuard(), self.clock)
        self.completions = Completions(self.directory, self.admission, self.dispatcher, self.ledger)
        self.trace = Trace("", "", self.clock)

    async def run(
        self,
        request: bytes | None = None,
        *,
        stream: bool = False,
        dialect: Dialect = CHAT,
        caller: Caller | None = None,
        sink: RecordingSink | None = None,
    ) -> None:
        """Answer one request."""
        caller = caller or member()
        self.sink = sink or RecordingSink(self.history)
        self.trace = trace = Trace("req_1", "/v1/chat/completions", self.clock)
        trace.caller = caller
        sent = Sent(request or body(stream=stream))
        await self.completions.run(dialect, sent, caller, self.sink, trace)

    async def error(
        self, request: bytes | None = None, *, stream: bool = False, dialect: Dialect = CHAT
    ) -> GatewayError:
        """Answer one request that fails; returns what the client is to see."""
        try:
            await self.run(request, stream=stream, dialect=dialect)
        except GatewayError as error:
            return error
        raise AssertionError("the request was answered")

    async def cancelled_at(
        self,
        point: Pause,
        *,
        stream: bool = True,
        dialect: Dialect = CHAT,
        sink: RecordingSink | None = None,
        before: Callable[[], Awaitable[None] | None] = lambda: None,
    ) -> None:
        """Start a request, wait until it has reached a point, cancel it there and wait for its end."""
        task = asyncio.get_running_loop().create_task(self.run(stream=stream, dialect=dialect, sink=sink))
        waiting = asyncio.get_running_loop().create_task(point.reached.wait())
        await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
        assert waiting.done(), task
        before()
        task.cancel()
        await asyncio.wait({task})
        assert task.cancelled()

    @property
    def record(self) -> UsageRecord:
        """The one record that was left."""
        assert len(self.ledger.records) == 1
        return self.ledger.records[0]

    @property
    def answers_left(self) -> int:
        """How many answers the account has left today."""
        return self._remaining(Rule.DAILY_REQUESTS)

    @property
    def tokens_used(self) -> int:
        """What was charged in this minute."""
        return 10_000 - self._remaining(Rule.TOKENS_PER_MINUTE)

    def _remaining(self, rule: Rule) -> int:
        standings = self.limiter.standing("acc_1", TIERS[0].limits)
        return next(standing.remaining for standing in standings if standing.rule is rule)

    def offer_target(self, provider: str) -> Target:
        """Tell what is known of the model `m` of a provider."""
        return self.directory.offer.fleet.providers[provider].target("m")

    def assert_nothing_held(self) -> None:
        """Check that no slot and no place in flight is left."""
        assert self.limiter.running == 0
        assert not any(self.directory.offer.fleet.in_flight().values())
        assert self.completions.open_streams == 0
