"""The decisions of the supervisor that need no process: delays, threads, what the child may know."""

import pytest

from freetheai_gateway.services.ports import Origin
from freetheai_gateway.upstream.llamacpp.settings import LocalModelSettings, thread_count
from freetheai_gateway.upstream.llamacpp.state import Endpoint, LocalModelState, Phase
from freetheai_gateway.upstream.llamacpp.supervisor import child_environment, restart_delay_s

SETTINGS = LocalModelSettings(restart_first_s=1.0, restart_most_s=10.0)


@pytest.mark.parametrize(("failures", "least", "most"), [(1, 0.5, 1), (2, 1, 2), (4, 4, 8), (5, 5, 10), (9999, 5, 10)])
def test_restart_delay_when_failures_add_up_then_doubles_to_the_cap(failures: int, least: float, most: float) -> None:
    """The delay doubles, is capped, and only its upper half is random."""
    assert restart_delay_s(SETTINGS, failures, 0.0) == least
    assert least < restart_delay_s(SETTINGS, failures, 0.999) < most


def test_thread_count_when_not_set_then_is_at_least_one() -> None:
    """A machine with one core still gets a thread; a setting is taken as it is."""
    assert thread_count(LocalModelSettings()) >= 1
    assert thread_count(LocalModelSettings(threads=7)) == 7


def test_child_environment_when_the_gateway_holds_keys_then_none_is_passed_on() -> None:
    """The child knows its own secret and nobody else's."""
    inherited = {"PATH": "/bin", "LC_ALL": "C", "ZAI_KEY_1": "sk-1", "FREETHEAI_ADMIN_TOKEN": "t"}
    assert child_environment(inherited, "own") == {
        "PATH": "/bin",
        "LC_ALL": "C",
        "FREETHEAI_LOCAL_MODEL_SECRET": "own",
    }


def test_endpoint_when_ready_then_says_how_to_call_it() -> None:
    """What the provider layer needs is all there."""
    endpoint = Endpoint(4711, "s3cret")
    assert endpoint.origin == Origin("http", "127.0.0.1", 4711)
    assert endpoint.base_url == "http://127.0.0.1:4711"
    assert endpoint.headers == ((b"authorization", b"Bearer s3cret"),)


def test_state_when_printed_then_hides_the_secret() -> None:
    """A state may end up in a log line."""
    assert "s3cret" not in repr(LocalModelState(Phase.READY, endpoint=Endpoint(4711, "s3cret")))
