"""An upstream's body as plain bytes, within bounds."""

import gzip
import tracemalloc
import zlib
from collections.abc import Iterator

import pytest

from freetheai_gateway.dialects.protocol import MalformedReply
from freetheai_gateway.services.body import MAX_INFLATED_BYTES, Body, header
from freetheai_gateway.services.ports import Failure, Phase, UpstreamFailed
from freetheai_gateway.testing.ports import FakeReply

TEXT = b'data: {"a":"' + bytes(range(32, 127)) * 20 + b'"}\n\n'


def _encoded(encoding: bytes, *steps: bytes | UpstreamFailed) -> Body:
    return Body(FakeReply(*steps, headers=[(b"content-encoding", encoding)]))


async def _pieces(body: Body) -> list[bytes]:
    pieces = []
    while piece := await body.read():
        pieces.append(piece)
    return pieces


async def test_plain_body_when_read_then_every_piece_passes_as_it_came() -> None:
    """Nothing is copied or joined on the way of a stream."""
    body = Body(FakeReply(b"a", b"bc"))
    assert await _pieces(body) == [b"a", b"bc"]
    assert await body.read() == b""


@pytest.mark.parametrize("encoding", [b"identity", b"Identity", b""])
async def test_body_when_the_encoding_is_identity_then_it_is_plain(encoding: bytes) -> None:
    """Named or not."""
    assert await _encoded(encoding, TEXT).read_all(10_000) == TEXT


@pytest.mark.parametrize(
    ("encoding", "data"),
    [(b"gzip", gzip.compress(TEXT)), (b"GZIP", gzip.compress(TEXT)), (b"deflate", zlib.compress(TEXT))],
)
@pytest.mark.parametrize("step", [1, 7, 10_000])
async def test_body_when_compressed_then_it_is_undone_however_it_is_cut(
    encoding: bytes, data: bytes, step: int
) -> None:
    """Some upstreams compress though they were asked not to."""
    body = _encoded(encoding, *(data[at : at + step] for at in range(0, len(data), step)))
    assert await body.read_all(10_000) == TEXT


async def test_stream_when_compressed_then_events_arrive_as_they_are_flushed() -> None:
    """No event waits for the next one."""
    packer = zlib.compressobj(wbits=31)
    steps = [packer.compress(event) + packer.flush(zlib.Z_SYNC_FLUSH) for event in (b"one\n\n", b"two\n\n")]
    assert await _pieces(_encoded(b"gzip", *steps, packer.flush())) == [b"one\n\n", b"two\n\n"]


@pytest.mark.parametrize("encoding", [b"br", b"zstd", b"gzip, br"])
def test_body_when_the_encoding_is_not_known_then_it_is_malformed(encoding: bytes) -> None:
    """Nothing is guessed."""
    with pytest.raises(MalformedReply, match="content encoding"):
        _encoded(encoding, b"")


@pytest.mark.parametrize("data", [b"no gzip at all", gzip.compress(TEXT)[:12] + b"\x07" * 40])
async def test_body_when_the_compression_is_broken_then_it_is_malformed(data: bytes) -> None:
    """The text quotes nothing of it."""
    with pytest.raises(MalformedReply, match=r"^the compressed body is broken$"):
        await _encoded(b"gzip", data).read_all(10_000)


async def test_body_when_over_the_limit_then_it_is_malformed() -> None:
    """Exactly the limit is fine."""
    assert await Body(FakeReply(b"12345", b"67890")).read_all(10) == b"1234567890"
    with pytest.raises(MalformedReply, match="too large"):
        await Body(FakeReply(b"12345", b"678901")).read_all(10)


async def test_body_when_something_follows_the_compressed_data_then_it_is_ignored() -> None:
    """Padding of some proxies; it may be long."""
    body = _encoded(b"gzip", gzip.compress(TEXT), b"\0" * 100, b"\0" * 100)
    assert await body.read_all(len(TEXT)) == TEXT


@pytest.fixture
def memory() -> Iterator[None]:
    """Measures the memory that Python objects take."""
    tracemalloc.start()
    yield
    tracemalloc.stop()


@pytest.mark.usefixtures("memory")
async def test_body_when_a_few_bytes_unpack_to_very_many_then_memory_stays_small() -> None:
    """A decompression bomb in one read: 64 MiB in 64 kB, read under the cap of an error's body."""
    bomb = gzip.compress(b"\0" * 67_108_864, compresslevel=9)
    tracemalloc.reset_peak()
    with pytest.raises(MalformedReply, match="too large"):
        await _encoded(b"gzip", bomb).read_all(65_536)
    _, peak = tracemalloc.get_traced_memory()
    assert peak < 3 * MAX_INFLATED_BYTES + len(bomb)


async def test_body_when_a_piece_unpacks_to_more_than_one_read_then_nothing_is_lost() -> None:
    """What one read does not take comes with the next."""
    text = bytes(range(256)) * (MAX_INFLATED_BYTES // 64)
    assert await _encoded(b"gzip", gzip.compress(text)).read_all(len(text)) == text
    pieces = await _pieces(_encoded(b"gzip", gzip.compress(text)))
    assert max(len(piece) for piece in pieces) <= MAX_INFLATED_BYTES


async def test_body_when_the_connection_breaks_then_the_failure_passes() -> None:
    """Compressed or not."""
    failed = UpstreamFailed(Failure.CLOSED, Phase.BODY)
    for body in (Body(FakeReply(b"a", failed)), _encoded(b"gzip", gzip.compress(TEXT)[:5], failed)):
        with pytest.raises(UpstreamFailed):
            await _pieces(body)


def test_header_is_found_by_its_lower_case_name() -> None:
    """The first counts; an absent one is empty."""
    reply = FakeReply(headers=[(b"x-a", b"1"), (b"x-a", b"2")])
    assert (header(reply, b"x-a"), header(reply, b"x-b")) == (b"1", b"")
