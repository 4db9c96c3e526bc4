"""The contract of `docs/failover.md`, case by case, as the official SDKs see it: one gateway, all cases at once."""

import asyncio
import socket
from collections.abc import Iterator

import anthropic
import openai
import pytest
from openai.types.chat import ChatCompletionMessageParam

from freetheai_gateway.testing.completions import DEFAULT_TEXT
from freetheai_gateway.testing.drill.cases import Case, Phase, Seen, every_case
from freetheai_gateway.testing.drill.run import left_behind
from freetheai_gateway.testing.drill.stage import Stage, model_of
from freetheai_gateway.testing.upstream import ScriptedUpstream
from tests.e2e.conftest import Launch
from tests.e2e.gateway import Gateway, Key, eventually
from tests.e2e.wire import call

CASES = {case.id: case for case in every_case()}
AT_ONCE = 80


@pytest.fixture(scope="module")
def stage(upstream_server: ScriptedUpstream, launch: Launch) -> Iterator[Gateway]:
    """Run a gateway with a model and providers for every case."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        made = Stage(upstream_server.base_url, closed.getsockname()[1], key="env:TEST_UPSTREAM_KEY")
        with launch(made.configuration(CASES.values())) as gateway:
            yield gateway


@pytest.fixture(scope="module")
def stage_key(stage: Gateway) -> Key:
    return stage.create_key("drill")


@pytest.fixture(scope="module")
def played(stage: Gateway, stage_key: Key) -> dict[str, tuple[Seen, str]]:
    """Play every case twice, with different prompts: what the SDK saw of the first, and what is left of both."""
    answers = asyncio.run(_play(stage, stage_key))
    eventually(lambda: len(stage.log_lines()) >= 2 * len(CASES), "every request has its line in the log")
    lines = {str(line["request_id"]): line for line in stage.log_lines()}
    left = left_behind(CASES.values(), call(stage, "GET", "/metrics").body.decode())
    seen = {}
    for (name, (answer, request_id)), after in zip(answers.items(), left, strict=True):
        line = lines[request_id]
        seen[name] = Seen(answer, int(str(line["attempts"])), int(str(line["status"]))), after
    return seen


async def _play(gateway: Gateway, key: Key) -> dict[str, tuple[str, str]]:
    slots = asyncio.Semaphore(AT_ONCE)
    async with openai.AsyncOpenAI(base_url=gateway.base_url, api_key=key.secret, max_retries=0) as sdk:

        async def play(case: Case) -> tuple[str, str]:
            async with slots:
                first = await _ask(sdk, case, "first")
                await _ask(sdk, case, "second")
                return first

        answers = await asyncio.gather(*(play(case) for case in CASES.values()))
    return dict(zip(CASES, answers, strict=True))


async def _ask(sdk: openai.AsyncOpenAI, case: Case, prompt: str) -> tuple[str, str]:
    """Ask as an application does; returns what came of it, and the request's id."""
    messages: list[ChatCompletionMessageParam] = [{"role": "user", "content": prompt}]
    completions = sdk.chat.completions
    request_id = ""
    try:
        if not case.streamed:
            whole = await completions.with_raw_response.create(model=model_of(case), messages=messages)
            text = whole.parse().choices[0].message.content
            return ("whole" if text == DEFAULT_TEXT else "wrong"), whole.headers["x-request-id"]
        stream = await completions.create(model=model_of(case), messages=messages, stream=True)
        request_id = stream.response.headers["x-request-id"]
        pieces = [chunk.choices[0].delta.content or "" async for chunk in stream]
        return ("whole" if "".join(pieces) == DEFAULT_TEXT else "wrong"), request_id
    except openai.APIStatusError as error:
        return str(error.status_code), error.response.headers["x-request-id"]
    except openai.APIError:
        return "broken", request_id


@pytest.mark.parametrize("name", CASES)
def test_upstream_when_it_fails_then_the_client_gets_what_the_contract_says(
    name: str, played: dict[str, tuple[Seen, str]]
) -> None:
    """What came, after how many attempts, with which status in the record, and what is held against the upstream."""
    assert played[name] == (CASES[name].expected, CASES[name].failure.after)


def test_requests_when_all_have_ended_then_no_place_is_held(
    stage: Gateway, played: dict[str, tuple[Seen, str]]
) -> None:
    """The gauges are back at zero, and every call is counted with its outcome."""
    metrics = call(stage, "GET", "/metrics").body.decode()
    in_flight = [line for line in metrics.splitlines() if line.startswith("freetheai_upstream_in_flight{")]
    assert len(in_flight) == len(CASES) + 1
    assert all(line.endswith(" 0.0") for line in in_flight)
    assert "freetheai_open_streams 0.0" in metrics
    assert 'freetheai_upstream_attempts_total{model="drill/500-head-whole-alone",outcome="http_500"' in metrics


def _named(phase: Phase, name: str, *, paired: bool) -> str:
    return next(
        model_of(case)
        for case in CASES.values()
        if (case.failure.phase, case.failure.name, case.paired, case.streamed) == (phase, name, paired, True)
    )


def test_messages_stream_when_the_first_upstream_fails_before_content_then_the_second_answers(
    stage: Gateway, stage_key: Key, played: dict[str, tuple[Seen, str]]
) -> None:
    """Another dialect than the upstreams': an error in a 200, and the second upstream's whole answer."""
    with anthropic.Anthropic(base_url=stage.url, api_key=stage_key.secret, max_retries=0) as sdk:
        model = _named(Phase.CONTENT, "error in a 200", paired=True)
        with sdk.messages.stream(
            model=model, max_tokens=100, messages=[{"role": "user", "content": "third"}]
        ) as stream:
            assert stream.get_final_text() == DEFAULT_TEXT


@pytest.mark.parametrize("name", ["cut", "error", "nonsense"])
def test_messages_stream_when_it_breaks_after_content_then_the_sdk_raises(
    name: str, stage: Gateway, stage_key: Key, upstream: ScriptedUpstream
) -> None:
    """Never a polite end."""
    behaviours = {
        case.failure.name: case.failure.behaviour for case in CASES.values() if case.failure.phase is Phase.MID
    }
    upstream.play("plain", behaviours[name])
    model = _named(Phase.NEVER, "slow head", paired=True)
    upstream.play("plain?head_delay_s=0.3", behaviours[name])
    text = ""
    with (
        anthropic.Anthropic(base_url=stage.url, api_key=stage_key.secret, max_retries=0) as sdk,
        pytest.raises(anthropic.APIStatusError) as raised,
        sdk.messages.stream(model=model, max_tokens=100, messages=[{"role": "user", "content": name}]) as stream,
    ):
        for piece in stream.text_stream:
            text += piece
    assert text
    assert "provider" in str(raised.value)
