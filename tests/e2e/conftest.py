"""Fixtures: the scripted upstream, gateways that modules share, keys, and what must hold after every test."""

import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import anthropic
import openai
import pytest

from freetheai_gateway.testing.upstream import ScriptedUpstream, upstream_in_thread
from tests.e2e import pictures
from tests.e2e.configuration import CAPPED, FIFTIETH, MEMBER, REGULAR, STARTER, Plan, render
from tests.e2e.gateway import Gateway, Key, eventually, running

Launch = Callable[[str], AbstractContextManager[Gateway]]


@pytest.fixture(scope="session")
def upstream_server() -> Iterator[ScriptedUpstream]:
    with upstream_in_thread() as server:
        yield server


@pytest.fixture
def upstream(upstream_server: ScriptedUpstream) -> Iterator[ScriptedUpstream]:
    """Give a test the upstream without a plan and without a past; nothing may be left running at its end."""
    upstream_server.forget()
    yield upstream_server
    eventually(lambda: upstream_server.in_flight == 0, "the gateway lets go of every upstream request")
    upstream_server.forget()


@pytest.fixture(scope="session")
def launched() -> list[Gateway]:
    """List every gateway that runs now."""
    return []


@pytest.fixture(scope="session")
def launch(tmp_path_factory: pytest.TempPathFactory, launched: list[Gateway]) -> Launch:
    """Run a gateway of one's own; it is looked through after every test."""

    @contextmanager
    def launch_one(config: str) -> Iterator[Gateway]:
        with running(tmp_path_factory.mktemp("gateway"), config) as gateway:
            launched.append(gateway)
            try:
                yield gateway
            finally:
                launched.remove(gateway)

    return launch_one


@pytest.fixture(autouse=True)
def nothing_is_left(launched: list[Gateway]) -> Iterator[None]:
    """After every test: no prompt, completion or key on disk, no traceback and no warning on stderr."""
    yield
    for gateway in launched:
        gateway.check_files()
        gateway.check_output()


@pytest.fixture(scope="session")
def mute() -> Iterator[socket.socket]:
    """Listen without ever answering: the kernel makes the connections, nobody speaks."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(10)
        yield listener


@pytest.fixture(scope="session")
def shared(upstream_server: ScriptedUpstream, mute: socket.socket, launch: Launch) -> Iterator[Gateway]:
    plan = Plan(upstream_server.base_url, mute_url=f"https://127.0.0.1:{mute.getsockname()[1]}/v1")
    with launch(render(plan)) as gateway:
        yield gateway


@pytest.fixture(scope="session")
def image_gateway(launch: Launch) -> Iterator[Gateway]:
    with launch(pictures.CONFIG) as gateway:
        yield gateway


@pytest.fixture(scope="session")
def image_key(image_gateway: Gateway) -> Key:
    return image_gateway.create_key("images")


@pytest.fixture
def gateway(shared: Gateway, upstream: ScriptedUpstream) -> Gateway:
    """Give the gateway that most tests share; its edge is in no hurry."""
    return shared


@pytest.fixture(scope="session")
def keys(shared: Gateway) -> dict[str, Key]:
    """Create keys of the shared gateway, each of an account of its own."""
    return shared.create_keys(
        {
            "operator": None,
            "member": MEMBER,
            "regular": REGULAR,
            "starter": STARTER,
            "starter-2": STARTER,
            "capped": CAPPED,
            "revoked": MEMBER,
            "fuzz": REGULAR,
        }
    )


@pytest.fixture
def key(keys: dict[str, Key]) -> Key:
    """Give a key without limits."""
    return keys["operator"]


@pytest.fixture(scope="session")
def shared_hasty(upstream_server: ScriptedUpstream, launch: Launch) -> Iterator[Gateway]:
    plan = Plan(upstream_server.base_url, edge=FIFTIETH, access={"concurrency_wait_s": 1.0})
    with launch(render(plan)) as gateway:
        yield gateway


@pytest.fixture
def hasty(shared_hasty: Gateway, upstream: ScriptedUpstream) -> Gateway:
    """Give a gateway whose edge waits for a fiftieth of the usual time, and whose accounts may wait for a slot."""
    return shared_hasty


@pytest.fixture(scope="session")
def hasty_key(shared_hasty: Gateway) -> Key:
    """Give an account of the hasty gateway with one request at a time."""
    return shared_hasty.create_key("member", tier=MEMBER)


@pytest.fixture
def sdk(gateway: Gateway, key: Key) -> Iterator[openai.OpenAI]:
    """Give the official OpenAI SDK as its documentation shows it, but without retries."""
    with openai.OpenAI(base_url=gateway.base_url, api_key=key.secret, max_retries=0) as client:
        yield client


@pytest.fixture
def anthropic_sdk(gateway: Gateway, key: Key) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=gateway.url, api_key=key.secret, max_retries=0) as client:
        yield client
