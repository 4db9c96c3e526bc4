"""What is over the caps of the process is refused before it costs anything."""

import pytest

from freetheai_gateway.errors import ProviderUnavailable
from freetheai_gateway.web.crowd import Crowd
from freetheai_gateway.web.request import Request


def _request(length: bytes = b"10") -> Request:
    async def receive() -> dict[str, object]:
        raise AssertionError("the body was read")

    return Request("POST", "/v1/chat/completions", b"", [(b"content-length", length)], receive, None)  # type: ignore[arg-type]


def test_request_when_as_many_run_as_may_then_it_is_refused_early() -> None:
    """With a time to come back; the place is free again when one has ended, however it ended."""
    crowd = Crowd(max_requests=1)
    with crowd.place(_request()):
        with pytest.raises(ProviderUnavailable) as refused, crowd.place(_request()):
            pass
        assert (refused.value.code, refused.value.status, refused.value.retry_after_s) == ("overloaded", 503, 2.0)
    with pytest.raises(ZeroDivisionError), crowd.place(_request()):
        print(1 // 0)
    assert (crowd.running, crowd.held_bytes) == (0, 0)


def test_request_when_its_body_would_be_too_much_for_all_then_it_is_refused_before_it_is_read() -> None:
    """Smaller ones still find room."""
    crowd = Crowd(max_bytes=100)
    with crowd.place(_request(b"60")):
        with pytest.raises(ProviderUnavailable), crowd.place(_request(b"41")):
            pass
        with crowd.place(_request(b"40")):
            assert (crowd.running, crowd.held_bytes) == (2, 100)


@pytest.mark.parametrize("length", [b"", b"-1", b"1e9", b"many"])
def test_length_when_it_is_no_number_then_only_the_request_counts(length: bytes) -> None:
    """Bodies in chunks declare nothing."""
    crowd = Crowd(max_bytes=1)
    with crowd.place(_request(length)):
        assert (crowd.running, crowd.held_bytes) == (1, 0)
