"""Reading a body within bounds."""

import asyncio

import pytest

from freetheai_gateway.errors import ClientCanceled, InvalidRequest, RequestTooLarge
from freetheai_gateway.testing.asgi import Client
from freetheai_gateway.testing.ports import Pause
from freetheai_gateway.web.request import read_body


async def _read(*parts: bytes | Pause, declared: bytes | None = None, encoding: bytes | None = None) -> bytes:
    headers = [] if declared is None else [(b"content-length", declared)]
    if encoding is not None:
        headers.append((b"content-encoding", encoding))
    return await read_body(Client(headers=headers, parts=parts).request, 10)


@pytest.mark.parametrize("parts", [(b"",), (b"abc",), (b"abc", b"def"), (b"", b"a", b"", b"b"), (b"0123456789",)])
async def test_body_when_within_the_cap_then_it_is_whole(parts: tuple[bytes, ...]) -> None:
    """In one piece or several; exactly the cap is fine."""
    assert await _read(*parts) == b"".join(parts)


@pytest.mark.parametrize(
    "declared", [b"11", b"99999999999999999999999", b"9" * 5_000, b"0" * 30 + b"11", b"00000000000000000000000011"]
)
async def test_body_when_it_declares_too_much_then_it_is_not_read(declared: bytes) -> None:
    """Refused before it is read whole, however the number is written."""
    with pytest.raises(RequestTooLarge) as caught:
        await _read(b"01234567890", declared=declared)
    assert caught.value.message == "The request body is larger than 10 bytes."
    assert caught.value.details == {"limit": 10}


async def test_body_when_it_declares_too_much_then_nothing_is_waited_for() -> None:
    """A client that waits for `100 Continue` is refused at once."""
    with pytest.raises(RequestTooLarge):
        await _read(Pause(), declared=b"11")


@pytest.mark.parametrize("declared", [b"-1", b"abc", b"", b" 3", b"1_0_0_0", b"+99", b"\xb2", b"3.5", b"0x99"])
async def test_body_when_its_length_is_no_number_then_its_bytes_are_counted(declared: bytes) -> None:
    """The edge refuses such heads; behind another one they do no harm."""
    assert await _read(b"abc", declared=declared) == b"abc"
    with pytest.raises(RequestTooLarge):
        await _read(b"abc", b"01234567890", declared=declared)


async def test_body_when_it_is_longer_than_it_declared_then_the_cap_holds() -> None:
    """Lies of the other kind."""
    with pytest.raises(RequestTooLarge):
        await _read(b"0123456789", b"0", declared=b"5")


async def test_body_when_chunks_grow_over_the_cap_then_the_rest_is_not_read() -> None:
    """Refused with the first byte too many."""
    for parts in ((b"01234567890", Pause()), (b"01234", b"567890", Pause()), (b"01234567890",)):
        with pytest.raises(RequestTooLarge):
            await _read(*parts)


@pytest.mark.parametrize("encoding", [b"gzip", b"GZIP", b"br", b"identity, gzip"])
async def test_body_when_compressed_then_it_is_refused_with_what_to_do(encoding: bytes) -> None:
    """Nothing is unpacked."""
    with pytest.raises(InvalidRequest, match="Compressed request bodies are not understood"):
        await _read(b"abc", encoding=encoding)
    assert await _read(b"abc", encoding=b"Identity") == b"abc"


async def test_body_when_the_client_leaves_then_the_request_is_cancelled() -> None:
    """In the middle or before the first byte."""
    for parts in ((b"abc", Pause()), (Pause(),)):
        client = Client(parts=parts)
        pause = next(part for part in parts if isinstance(part, Pause))
        async with asyncio.TaskGroup() as tasks:
            reading = tasks.create_task(_refusal(client))
            await pause.reached.wait()
            client.connection.leave()
            pause.release()
        assert isinstance(reading.result(), ClientCanceled)


async def _refusal(client: Client) -> Exception:
    with pytest.raises(ClientCanceled) as caught:
        await read_body(client.request, 10)
    return caught.value


async def test_body_when_it_comes_in_very_many_pieces_then_it_is_joined() -> None:
    """Two bytes at a time."""
    client = Client(parts=[b"ab"] * 5_000)
    assert await read_body(client.request, 10_000) == b"ab" * 5_000


def test_header_is_found_by_its_lower_case_name() -> None:
    """The last of several counts; an absent one is empty."""
    request = Client(headers=[(b"x-a", b"1"), (b"x-a", b"2")]).request
    assert (request.header(b"x-a"), request.header(b"x-b")) == (b"2", b"")
