"""A process of its own beside the proof: an image provider with large results, and clients that all ask at once.

Apart, because what it does with megabytes must not disturb the clocks of the clients whose latency is measured.
`serve` answers on a port that it prints; `ask PORT KEY REQUESTS AT_ONCE MANNER` sends and prints what came of it.
"""

import asyncio
import os
import sys
from base64 import b64encode
from collections import Counter
from secrets import token_bytes
from struct import pack
from zlib import crc32

from freetheai_gateway.clock import SystemClock
from freetheai_gateway.jsonc import encode

RESULT_BYTES = 2_000_000
THINKS_S = 0.25
LOOKS_AWAY_S = 1.0
MODEL = "proof/picture"
_NICE = 10


def picture(size: int = RESULT_BYTES) -> bytes:
    """Make a PNG by its frame: right header, right end, noise between."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return pack(">I", len(data)) + kind + data + pack(">I", crc32(kind + data))

    head = chunk(b"IHDR", pack(">IIBBBBB", 1024, 1024, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", token_bytes(size)) + chunk(b"IEND", b"")


async def serve() -> None:
    """Answer every request with the same large picture, after a while."""
    body = encode({"created": 1, "data": [{"b64_json": b64encode(picture()).decode()}], "usage": {"output_tokens": 9}})
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                length = _length_in(await reader.readuntil(b"\r\n\r\n"))
                await reader.readexactly(length)
                await asyncio.sleep(THINKS_S)
                writer.write(head)
                writer.write(body)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


async def ask(port: int, key: str, requests: int, at_once: int, pause_s: float) -> None:
    """Let so many clients ask, each again and again; print statuses, whole results and seconds."""
    clock, numbers, seen = SystemClock(), iter(range(requests)), Counter[str]()
    begun = clock.monotonic()

    async def work() -> None:
        for number in numbers:
            seen[await _generate(port, key, number, pause_s)] += 1

    async with asyncio.TaskGroup() as tasks:
        for _ in range(at_once):
            tasks.create_task(work())
    print(encode({"seen": seen, "seconds": clock.monotonic() - begun}).decode(), flush=True)


async def _generate(port: int, key: str, number: int, pause_s: float) -> str:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 16)
    body = encode({"model": MODEL, "prompt": f"picture {number}"})
    head = f"POST /v1/images/generations HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\nconnection: close\r\n"
    writer.write(f"{head}content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body)
    try:
        answer = await reader.readuntil(b"\r\n\r\n")
        await asyncio.sleep(pause_s)
        length, got = _length_in(answer), 0
        while got < length and (data := await reader.read(1 << 18)):
            got += len(data)
        status = answer.split(b" ", 2)[1].decode()
        return status if status != "200" or got == length > RESULT_BYTES * 4 // 3 else "cut off"
    finally:
        writer.close()


def _length_in(head: bytes) -> int:
    return int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])


if __name__ == "__main__":
    os.nice(_NICE)
    if sys.argv[1] == "serve":
        asyncio.run(serve())
    else:
        pause_s = LOOKS_AWAY_S if sys.argv[6] == "waits" else 0.0
        asyncio.run(ask(int(sys.argv[2]), sys.argv[3], int(sys.argv[4]), int(sys.argv[5]), pause_s))
