"""Sending answers that hold pictures: in pieces, so that neither the loop nor the memory notices their size."""

from collections.abc import Callable

from freetheai_gateway.dialects.openai_images import Parts, length_of, pieces_of
from freetheai_gateway.services.held_pictures import HeldPictures
from freetheai_gateway.services.ports import Sink

_SMALL_BYTES = 64 * 1024
"""Up to here an answer goes out as one write."""


async def send_reply(sink: Sink, parts: Parts, held: HeldPictures, settle: Callable[[], None]) -> None:
    """Send a whole answer; `settle` is called before the last bytes go."""
    size = length_of(parts)
    if size <= _SMALL_BYTES:
        settle()
        await sink.reply(b"".join(pieces_of(parts)))
        return
    await sink.begin(size)
    await send_end(sink, parts, held, settle)


async def send_part(sink: Sink, parts: Parts, held: HeldPictures) -> None:
    """Send a part of a stream."""
    for piece in pieces_of(parts):
        await sink.write(piece)
        await held.turn()


async def send_end(sink: Sink, parts: Parts, held: HeldPictures, settle: Callable[[], None]) -> None:
    """Send the end of an answer; `settle` is called before the last bytes go."""
    last = b""
    for piece in pieces_of(parts):
        if last:
            await sink.write(last)
            await held.turn()
        last = piece
    settle()
    await sink.finish(last)
