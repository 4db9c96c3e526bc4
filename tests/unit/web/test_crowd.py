"""What is over the caps of the process is refused before it costs anything."""

import pytest

from freetheai_gateway.errors import ClientCanceled, ProviderUnavailable, RequestTooLarge
from freetheai_gateway.testing.asgi import Client
from freetheai_gateway.testing.ports import Pause
from freetheai_gateway.web.crowd import Crowd
from freetheai_gateway.web.request import Request

ONE_BODY = 1_000
"""Cap of one body."""


def _unread(length: bytes = b"10") -> Request:
    async def receive() -> dict[str, object]:
        raise AssertionError("the body was read")

    return Request("POST", "/v1/chat/completions", b"", [(b"content-length", length)], receive, None)  # type: ignore[arg-type]


def test_request_when_as_many_run_as_may_then_it_is_refused_early() -> None:
    """With a time to come back; the place is free again when one has ended, however it ended."""
    crowd = Crowd(max_requests=1)
    with crowd.place(_unread(), ONE_BODY):
        with pytest.raises(ProviderUnavailable) as refused, crowd.place(_unread(), ONE_BODY):
            pass
        assert (refused.value.code, refused.value.status, refused.value.retry_after_s) == ("overloaded", 503, 2.0)
    with pytest.raises(ZeroDivisionError), crowd.place(_unread(), ONE_BODY):
        print(1 // 0)
    assert (crowd.running, crowd.held_bytes) == (0, 0)


def test_request_when_its_body_would_be_too_much_for_all_then_it_is_refused_before_it_is_read() -> None:
    """Smaller ones still find room."""
    crowd = Crowd(max_bytes=100)
    with crowd.place(_unread(b"60"), ONE_BODY):
        with pytest.raises(ProviderUnavailable), crowd.place(_unread(b"41"), ONE_BODY):
            pass
        with crowd.place(_unread(b"40"), ONE_BODY):
            assert (crowd.running, crowd.held_bytes) == (2, 100)
    assert (crowd.running, crowd.held_bytes) == (0, 0)


def test_request_when_its_body_would_be_too_much_for_one_then_it_is_told_so_and_not_to_come_back() -> None:
    """It would never fit, however little runs; nothing is held for it."""
    crowd = Crowd(max_bytes=100)
    with pytest.raises(RequestTooLarge), crowd.place(_unread(b"1001"), ONE_BODY):
        pass
    assert (crowd.running, crowd.held_bytes) == (0, 0)


@pytest.mark.parametrize("length", [b"", b"-1", b"1e9", b"many"])
async def test_length_when_it_is_no_number_then_what_arrives_counts(length: bytes) -> None:
    """Bodies in chunks declare nothing."""
    crowd = Crowd(max_bytes=10)
    request = Client(headers=[(b"content-length", length)], parts=(b"0123", b"45")).request
    with crowd.place(request, ONE_BODY) as place:
        assert (crowd.running, crowd.held_bytes) == (1, 0)
        assert await place.read_body() == b"012345"
        assert (crowd.running, crowd.held_bytes) == (1, 6)
    assert (crowd.running, crowd.held_bytes) == (0, 0)


async def test_body_in_chunks_when_it_grows_over_what_all_may_hold_then_the_rest_is_not_read() -> None:
    """The first piece too many is refused, with a time to come back; what the others hold stays theirs."""
    crowd = Crowd(max_bytes=100)
    with crowd.place(_unread(b"60"), ONE_BODY):
        for parts in ((b"x" * 41, Pause()), (b"x" * 40, b"x", Pause())):
            with (
                pytest.raises(ProviderUnavailable) as refused,
                crowd.place(Client(parts=parts).request, ONE_BODY) as place,
            ):
                await place.read_body()
            assert (refused.value.code, refused.value.retry_after_s) == ("overloaded", 2.0)
            assert (crowd.running, crowd.held_bytes) == (1, 60)
        with crowd.place(Client(parts=(b"x" * 30, b"x" * 10)).request, ONE_BODY) as place:
            await place.read_body()
            assert crowd.held_bytes == 100


async def test_body_in_chunks_when_it_had_arrived_before_it_was_read_then_it_counts_too() -> None:
    """The edge hands small ones over in one piece."""
    crowd = Crowd(max_bytes=100)
    client = Client()
    client.connection.whole_body = b"x" * 101
    with pytest.raises(ProviderUnavailable), crowd.place(client.request, ONE_BODY) as place:
        await place.read_body()
    assert crowd.held_bytes == 0


async def test_body_in_chunks_when_its_client_leaves_then_nothing_is_held() -> None:
    """Half of it had arrived."""
    crowd = Crowd()
    client = Client(parts=(b"x" * 50,))
    client.connection.leave()
    with pytest.raises(ClientCanceled), crowd.place(client.request, ONE_BODY) as place:
        await place.read_body()
    assert (crowd.running, crowd.held_bytes) == (0, 0)


async def test_declared_body_when_it_is_read_then_it_counts_once() -> None:
    """What its head declared was counted already."""
    crowd = Crowd(max_bytes=10)
    with crowd.place(Client(headers=[(b"content-length", b"10")], parts=(b"01234", b"56789")).request, 10) as place:
        await place.read_body()
        assert crowd.held_bytes == 10
    assert crowd.held_bytes == 0
