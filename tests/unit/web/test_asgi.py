"""The whole way of a request through the ASGI callable: an answer in every case, and what is logged of it."""

import asyncio
from collections.abc import Awaitable, Callable

import msgspec
import pytest

from freetheai_gateway.dialects.anthropic_messages import AnthropicMessages
from freetheai_gateway.dialects.openai_chat import OpenAIChat
from freetheai_gateway.domain.health import Thresholds
from freetheai_gateway.errors import GatewayError, ProviderError
from freetheai_gateway.ids import key_digest, new_key
from freetheai_gateway.jsonc import decode_any, encode
from freetheai_gateway.limits.memory import MemoryLimiter
from freetheai_gateway.limits.refusals import RefusalGuard
from freetheai_gateway.log import RequestLine
from freetheai_gateway.metrics import Metrics
from freetheai_gateway.services.admit import Admission
from freetheai_gateway.services.authenticate import Authenticator
from freetheai_gateway.services.completions import Completions
from freetheai_gateway.services.directory import Directory
from freetheai_gateway.services.dispatch import Dispatcher
from freetheai_gateway.services.lanes import LaneBuilder
from freetheai_gateway.services.observe import Observer
from freetheai_gateway.services.ports import UpstreamFailed
from freetheai_gateway.testing.asgi import Client
from freetheai_gateway.testing.clock import FakeClock
from freetheai_gateway.testing.offers import make_offer, member
from freetheai_gateway.testing.ports import (
    FakeReply,
    FakeUpstreamClient,
    MemoryLedger,
    Pause,
    RecordingLog,
    StaticKeyLookup,
)
from freetheai_gateway.web.asgi import Complain, GatewayASGI
from freetheai_gateway.web.completions import CompletionRoute
from freetheai_gateway.web.cors import CrossOrigin
from freetheai_gateway.web.request import Request
from freetheai_gateway.web.response import Response
from freetheai_gateway.web.routes import Handler, Route, Router

KEY = new_key()
CANARY = "canary-7f3a"
WITH_KEY = [(b"authorization", b"Bearer " + KEY.encode()), (b"x-custom", CANARY.encode())]
CHAT, MESSAGES = OpenAIChat(), AnthropicMessages()
BODY = encode({"model": "glm/glm-5.1", "messages": [{"role": "user", "content": CANARY}]})
STREAM = encode({"model": "glm/glm-5.1", "stream": True, "messages": [{"role": "user", "content": CANARY}]})
ANSWER = encode({"model": "glm-5.1", "choices": [{"message": {"content": CANARY}}]})
CHUNK = b"data: " + encode({"model": "glm-5.1", "choices": [{"delta": {"content": CANARY}}]}) + b"\n\n"
SSE = b"text/event-stream"


class Api:
    """The callable over fakes: both completion routes, and handlers of a test below `/v1/test`."""

    def __init__(
        self,
        *script: FakeReply | UpstreamFailed | Pause,
        handler: Handler | None = None,
        complain: Complain | None = None,
    ) -> None:
        self.clock = FakeClock()
        self.log = RecordingLog()
        self.lines: list[RequestLine] = []
        self.ledger = MemoryLedger()
        self.limiter = MemoryLimiter(self.clock)
        directory = Directory(make_offer())
        authenticator = Authenticator(StaticKeyLookup({key_digest(KEY): member()}), directory)
        completions = Completions(
            directory,
            Admission(self.limiter, RefusalGuard(), self.clock),
            Dispatcher(FakeUpstreamClient(*script), LaneBuilder({}, {}), self.clock),
            self.ledger,
        )
        routes = [
            Route(
                "/chat/completions",
                {"POST": CompletionRoute(CHAT, authenticator, completions, max_body_bytes=1_000)},
                CHAT,
            ),
            Route(
                "/messages",
                {"POST": CompletionRoute(MESSAGES, authenticator, completions, max_body_bytes=1_000)},
                MESSAGES,
            ),
            Route("/test", {"GET": handler or _nothing}, CHAT),
            Route("/page", {"GET": handler or _nothing}, CHAT, top=True),
        ]
        self.asgi = GatewayASGI(
            Router(routes),
            CHAT,
            self.clock,
            self.log,
            self.lines.append,
            observer=Observer(Metrics(), Thresholds(5, 0.05, 0.5), self.clock),
            cross_origin=CrossOrigin(["*"]),
            keepalive_s=3600.0,
            complain=complain,
        )

    async def call(self, client: Client) -> RequestLine:
        """Answer one request; returns its line."""
        await self.asgi(client.scope, client.receive, client.send)
        return self.lines[-1]

    async def cancelled_at(
        self, point: Pause, client: Client, cancel: Callable[[asyncio.Task[RequestLine]], object]
    ) -> RequestLine:
        """Cancel a request once it has reached a point; no exception may leave."""
        task = asyncio.get_running_loop().create_task(self.call(client))
        await point.reached.wait()
        cancel(task)
        return await task

    @property
    def logged(self) -> str:
        """Everything that was logged, in any form."""
        return (
            repr(self.log.entries)
            + repr([msgspec.to_builtins(line) for line in self.lines])
            + repr(self.ledger.records)
        )


async def _nothing(_request: Request, response: Response) -> None:
    await response.reply(b"{}")


def _error(client: Client) -> dict[str, object]:
    body = decode_any(client.body)
    assert isinstance(body, dict)
    error = body["error"]
    assert isinstance(error, dict)
    return error


async def test_request_when_answered_then_its_line_tells_all_but_content() -> None:
    """Names, times and counts; the id is the one in the response and in the record."""
    api, client = Api(FakeReply(ANSWER)), Client(headers=WITH_KEY, parts=[BODY[:20], BODY[20:]])
    line = await api.call(client)
    assert client.status == 200
    request_id = client.headers[b"x-request-id"].decode()
    assert request_id.startswith("req_")
    assert line.request_id == api.ledger.records[0].request_id == request_id
    assert (line.method, line.route, line.status, line.code) == ("POST", "/v1/chat/completions", 200, "")
    assert (line.account, line.key, line.model, line.provider) == ("acc_1", "fta_Ab3d", "glm/glm-5.1", "zai")
    assert (line.attempts, line.streamed) == (1, False)
    assert line.at == api.clock.wall()


CASES: dict[str, tuple[list[tuple[bytes, bytes]], bytes, tuple[FakeReply, ...], int]] = {
    "answered": (WITH_KEY, BODY, (FakeReply(ANSWER),), 200),
    "streamed": (WITH_KEY, STREAM, (FakeReply(CHUNK, b"data: [DONE]\n\n", content_type=SSE),), 200),
    "cut off": (WITH_KEY, STREAM, (FakeReply(CHUNK, content_type=SSE),), 502),
    "refused by the upstream": (
        WITH_KEY,
        BODY,
        (FakeReply(encode({"error": {"message": CANARY, "code": CANARY}}), status=500),),
        502,
    ),
    "malformed": (WITH_KEY, BODY, (FakeReply(CANARY.encode()),), 502),
    "no JSON": (WITH_KEY, CANARY.encode(), (), 400),
    "unknown model": (WITH_KEY, BODY.replace(b"glm/glm-5.1", CANARY.encode()), (), 400),
    "too large": (WITH_KEY, BODY * 50, (), 413),
    "no key": (WITH_KEY[1:], BODY, (), 401),
    "wrong key": ([(b"authorization", b"Bearer " + CANARY.encode())], BODY, (), 401),
    "unusable reply": (WITH_KEY, BODY, (), 500),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages"])
async def test_log_and_records_when_anything_happens_then_no_content_key_or_header_is_in_them(
    case: str, path: str
) -> None:
    """The privacy promise, with a canary in prompt, reply, header, model, key and upstream error."""
    headers, body, replies, status = CASES[case]
    api = Api(*(reply.again() for reply in replies))
    client = Client(path=path, headers=headers, parts=[body])
    line = await api.call(client)
    assert CANARY not in api.logged
    assert KEY not in api.logged
    assert client.complete
    if path == "/v1/chat/completions":
        assert line.status == status
    assert api.limiter.running == 0


async def test_handler_when_it_raises_then_the_client_gets_500_and_the_log_the_place() -> None:
    """The id in the message, no detail; the log names class, module and line, not the text."""

    async def broken(_request: Request, _response: Response) -> None:
        raise KeyError(CANARY)

    api, client = Api(handler=broken), Client("GET", "/v1/test")
    line = await api.call(client)
    request_id = client.headers[b"x-request-id"].decode()
    assert (client.status, line.status, line.code) == (500, 500, "server_error")
    assert _error(client)["message"] == f"The gateway failed. Report {request_id} in Discord."
    ((level, event, fields),) = api.log.entries
    assert (level, event) == ("error", "request_crashed")
    assert (fields["request_id"], fields["route"]) == (request_id, "/v1/test")
    assert str(fields["error"]).startswith("KeyError at tests.unit.web.test_asgi:")
    assert CANARY not in api.logged


async def test_handler_when_it_raises_in_mid_stream_then_the_stream_ends_with_an_error() -> None:
    """Never politely."""

    async def broken(_request: Request, response: Response) -> None:
        await response.write(b"data: 1\n\n")
        raise ZeroDivisionError

    api, client = Api(handler=broken), Client("GET", "/v1/test")
    line = await api.call(client)
    assert (client.status, line.status) == (200, 500)
    assert b'"finish_reason":"error"' in client.body
    assert client.complete


BROWSER = [(b"accept", b"text/html,application/xhtml+xml")]


async def _show(_request: Request, response: Response, error: GatewayError) -> None:
    response.trace.code = error.code
    await response.send_whole(
        error.status, ((b"content-type", b"text/html"), *error.headers), b"<p>" + error.code.encode()
    )


async def _broken(_request: Request, _response: Response) -> None:
    raise KeyError(CANARY)


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nothing", 404, b"not_found_error"),
        ("POST", "/page", 405, b"method_not_allowed"),
        ("GET", "/page", 500, b"server_error"),
    ],
)
async def test_error_when_somebody_looks_with_a_browser_then_it_is_a_page(
    method: str, path: str, status: int, code: bytes
) -> None:
    """The line is the same; a program, and everything below `/v1`, gets the envelope."""
    api, client = Api(handler=_broken, complain=_show), Client(method, path, BROWSER)
    line = await api.call(client)
    assert (client.status, client.body, line.status, line.code) == (status, b"<p>" + code, status, code.decode())
    for program in (
        Client(method, path),
        Client(method, f"/v1{path}", BROWSER),
        Client(method, path, [*BROWSER, *WITH_KEY]),
    ):
        await api.call(program)
        assert program.status >= 400
        assert _error(program)["request_id"]


async def test_error_when_its_page_fails_too_then_the_envelope_is_sent() -> None:
    """A mistake in a template must not leave somebody without an answer."""

    async def fail(_request: Request, _response: Response, _error: GatewayError) -> None:
        raise ZeroDivisionError

    api, client = Api(complain=fail), Client("GET", "/nothing", BROWSER)
    await api.call(client)
    assert (client.status, _error(client)["code"]) == (404, "not_found_error")
    assert [event for _, event, _ in api.log.entries] == ["request_crashed"]


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/v1/nothing", 404, "not_found_error"),
        ("GET", "/v1/chat/completions", 405, "method_not_allowed"),
        ("PURGE", "/v1/test", 405, "method_not_allowed"),
        ("POST", "/v1/chat/completions", 401, "invalid_api_key"),
    ],
)
async def test_request_when_refused_then_the_envelope_has_the_request_id(
    method: str, path: str, status: int, code: str
) -> None:
    """Each with an answer and a line; an unknown path is not logged."""
    api, client = Api(), Client(method, path)
    line = await api.call(client)
    assert (client.status, line.status, line.code) == (status, status, code)
    assert _error(client)["request_id"] == client.headers[b"x-request-id"].decode() == line.request_id
    assert "nothing" not in api.logged


async def test_request_when_refused_on_messages_then_the_envelope_is_anthropics() -> None:
    """The dialect is that of the route, also before a key was seen."""
    api, client = Api(), Client(path="/messages")
    await api.call(client)
    body = decode_any(client.body)
    assert isinstance(body, dict)
    assert (body["type"], body["error"]["type"]) == ("error", "authentication_error")


async def test_head_is_answered_as_get() -> None:
    """With the headers of the answer."""
    client = Client("HEAD", "/v1/test")
    line = await Api().call(client)
    assert (client.status, line.method) == (200, "HEAD")


async def test_preflight_needs_no_key() -> None:
    """Pages of other origins ask before they send one."""
    client = Client("OPTIONS", "/v1/chat/completions", [(b"origin", b"https://page.example")])
    await Api().call(client)
    assert (client.status, client.body) == (204, b"")
    assert client.headers[b"access-control-allow-origin"] == b"*"
    assert client.headers[b"access-control-allow-methods"] == b"OPTIONS, POST"


# --- the client leaves, the server drains ---


def _points() -> dict[str, tuple[Pause, tuple[FakeReply | Pause, ...], tuple[bytes | Pause, ...]]]:
    points: dict[str, tuple[Pause, tuple[FakeReply | Pause, ...], tuple[bytes | Pause, ...]]] = {}
    pause = Pause()
    points["in its body"] = (pause, (), (STREAM[:5], pause))
    pause = Pause()
    points["before the head"] = (pause, (pause,), (STREAM,))
    pause = Pause()
    points["in mid-stream"] = (pause, (FakeReply(CHUNK, pause, content_type=SSE),), (STREAM,))
    return points


@pytest.mark.parametrize("point", sorted(_points()))
async def test_client_when_it_leaves_then_the_line_says_499_and_nothing_more_is_sent(point: str) -> None:
    """No exception leaves the callable; an admitted request has its record."""
    pause, script, parts = _points()[point]
    api, client = Api(*script), Client(headers=WITH_KEY, parts=parts)

    line = await api.cancelled_at(pause, client, lambda _task: client.connection.leave())
    assert (line.status, line.code) == (499, "client_canceled")
    assert [record.status for record in api.ledger.records] == ([] if point == "in its body" else [499])
    assert not client.complete
    assert api.limiter.running == 0


@pytest.mark.parametrize("point", sorted(_points()))
async def test_server_when_it_drains_then_the_client_is_told(point: str) -> None:
    """503 with the time to come back before the first byte, the stream's error event after it."""
    pause, script, parts = _points()[point]
    api, client = Api(*script), Client(headers=WITH_KEY, parts=parts)
    line = await api.cancelled_at(pause, client, asyncio.Task.cancel)
    assert (line.status, line.code) == (503, "restarting")
    assert [record.status for record in api.ledger.records] == ([] if point == "in its body" else [503])
    assert client.complete
    if point == "in mid-stream":
        assert client.status == 200
        assert b'"finish_reason":"error"' in client.body
        assert b"[DONE]" not in client.body
    else:
        assert client.status == 503
        assert client.headers[b"retry-after"] == b"2"
        assert b"x-should-retry" not in client.headers


async def test_client_when_it_leaves_while_it_is_told_of_the_drain_then_no_exception_leaves() -> None:
    """Two cancellations of one request."""
    pause = Pause()
    api, client = Api(pause), Client(headers=WITH_KEY, parts=[STREAM])

    task = asyncio.get_running_loop().create_task(api.call(client))
    await pause.reached.wait()
    client.reads.clear()
    client.asked.clear()
    task.cancel()
    await client.asked.wait()
    client.connection.leave()
    line = await task
    assert line.status == 503
    assert api.limiter.running == 0


async def test_client_when_it_has_left_before_the_request_began_then_nothing_is_done() -> None:
    """The edge tells at once; the first wait is the last."""
    api, client = Api(), Client(headers=WITH_KEY, parts=[Pause()])
    client.connection.disconnected = True
    line = await api.call(client)
    assert line.status == 499
    assert client.sent == []


async def test_lines_when_many_requests_run_at_once_then_each_has_its_own_id() -> None:
    """One line per request, whatever happens to it."""

    async def slow(_request: Request, response: Response) -> None:
        await asyncio.sleep(0)
        await response.fail(ProviderError("x"))

    api = Api(handler=slow)
    calls: list[Awaitable[RequestLine]] = [api.call(Client("GET", "/v1/test")) for _ in range(20)]
    await asyncio.gather(*calls)
    assert len({line.request_id for line in api.lines}) == 20
