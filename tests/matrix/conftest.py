"""Fixtures: the official SDKs on a transport that is the gateway itself."""

from collections.abc import Callable, Iterator

import anthropic
import httpx2
import openai
import pytest

from tests.matrix import client_chat, client_messages, client_responses, node
from tests.matrix.ask import Ask
from tests.matrix.heard import Heard
from tests.matrix.limits import CHAT, MESSAGES
from tests.matrix.loop import ALIAS, Loop

Send = Callable[..., Heard]


class _Switch(httpx2.BaseTransport):
    """Hands every request to the loop of the running test; SDK clients are costly to make, loops are not."""

    def __init__(self) -> None:
        self.loop: Loop | None = None

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        assert self.loop is not None
        return self.loop.handle(request)


@pytest.fixture(scope="session")
def switch() -> _Switch:
    return _Switch()


@pytest.fixture(scope="session")
def openai_sdk(switch: _Switch) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(
        base_url="http://gateway/v1",
        api_key="fta_key",
        max_retries=0,
        http_client=httpx2.Client(transport=switch, trust_env=False),
    ) as client:
        yield client


@pytest.fixture(scope="session")
def anthropic_sdk(switch: _Switch) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(
        base_url="http://gateway",
        api_key="fta_key",
        max_retries=0,
        http_client=httpx2.Client(transport=switch, trust_env=False),
    ) as client:
        yield client


@pytest.fixture(scope="session")
def node_sdk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[node.NodeSDK]:
    with node.started(tmp_path_factory.mktemp("judge")) as judge:
        yield judge


@pytest.fixture(params=["python", "node"])
def send(request: pytest.FixtureRequest, switch: _Switch) -> Iterator[Send]:
    """Send a request through a loop, with an official SDK of the loop's client, in Python and in Node.js."""
    if request.param == "node":
        judge: node.NodeSDK = request.getfixturevalue("node_sdk")
        yield judge.send
        return
    openai_sdk: openai.OpenAI = request.getfixturevalue("openai_sdk")
    anthropic_sdk: anthropic.Anthropic = request.getfixturevalue("anthropic_sdk")

    def send_one(loop: Loop, ask: Ask, *, streamed: bool) -> Heard:
        switch.loop = loop
        if loop.client == CHAT:
            return client_chat.send(openai_sdk, ALIAS, ask, streamed=streamed)
        if loop.client == MESSAGES:
            return client_messages.send(anthropic_sdk, ALIAS, ask, streamed=streamed)
        return client_responses.send(openai_sdk, ALIAS, ask, streamed=streamed)

    yield send_one
    switch.loop = None
