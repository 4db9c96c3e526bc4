"""The upstream of the benchmark: Chat Completions from bytes that are made once, cheap enough to be no bottleneck.

Streams send every content chunk as a write of its own, `--delay-ms` apart; `max_tokens` of the request is how many.
"""

import argparse
import asyncio
import re
import ssl
from pathlib import Path
from typing import cast

import uvloop

from tools.bench import wire

_LENGTH = re.compile(rb"\r\ncontent-length:\s*(\d+)", re.IGNORECASE)
_STREAM = re.compile(rb'"stream":\s*true')
_CHUNKS = re.compile(rb'"max_tokens":\s*(\d+)')
_HEAD_END = b"\r\n\r\n"
_WHOLE = wire.whole_response()
_HEAD, _CHUNK, _TAIL = wire.stream_head(), wire.stream_chunk(), wire.stream_tail()


class Upstream(asyncio.Protocol):
    """One connection; requests come one after another."""

    def __init__(self, loop: asyncio.AbstractEventLoop, delay_s: float) -> None:
        self._loop = loop
        self._delay_s = delay_s
        self._received = b""
        self._left = 0
        self._next_at = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Answer as soon as a request is whole."""
        received = self._received = self._received + data
        end = received.find(_HEAD_END)
        if end < 0:
            return
        length = _LENGTH.search(received, 0, end)
        if len(received) < end + len(_HEAD_END) + (int(length[1]) if length is not None else 0):
            return
        self._received = b""
        if _STREAM.search(received, end) is None:
            self._transport.write(_WHOLE)
            return
        chunks = _CHUNKS.search(received, end)
        self._left = int(chunks[1]) if chunks is not None else 1
        self._transport.write(_HEAD)
        self._next_at = self._loop.time() + self._delay_s
        self._loop.call_at(self._next_at, self._send_next)

    def _send_next(self) -> None:
        if self._transport.is_closing():
            return
        if not self._left:
            self._transport.write(_TAIL)
            return
        self._left -= 1
        self._transport.write(_CHUNK)
        self._next_at += self._delay_s
        self._loop.call_at(self._next_at, self._send_next)


async def _serve(port: int, tls_port: int, delay_s: float, certificate: Path | None) -> None:
    loop = asyncio.get_running_loop()
    servers = [await loop.create_server(lambda: Upstream(loop, delay_s), "127.0.0.1", port, backlog=2048)]
    if certificate is not None:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(certificate)
        servers.append(
            await loop.create_server(lambda: Upstream(loop, delay_s), "127.0.0.1", tls_port, ssl=tls, backlog=2048)
        )
    async with asyncio.TaskGroup() as tasks:
        for server in servers:
            tasks.create_task(server.serve_forever())


def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--tls-port", type=int, default=0)
    parser.add_argument("--delay-ms", type=float, required=True)
    parser.add_argument("--certificate", type=Path)
    given = parser.parse_args()
    uvloop.run(_serve(given.port, given.tls_port, given.delay_ms / 1000, given.certificate))


if __name__ == "__main__":
    main()
