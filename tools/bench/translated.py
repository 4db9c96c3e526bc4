"""`python -m tools.bench.translated`: what a streamed chunk costs through the whole gateway, raw and translated.

A server plays each vendor's stream, one event per write, to a governed gateway; the clients speak each dialect. All
pairs are loaded in turn, round by round, and every cost is compared with the raw Chat Completions lane of its round.
"""

import argparse
import asyncio
import multiprocessing
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import uvloop

from freetheai_gateway.dialects.protocol import DialectName
from freetheai_gateway.jsonc import encode
from freetheai_gateway.testing.voices import VOICES, Answer, Asked
from tools.bench import gateway, machine
from tools.bench.servers import Server, free_ports
from tools.bench.wire import END_OF_STREAM, render_request

_CHAT, _MESSAGES = DialectName.OPENAI_CHAT, DialectName.ANTHROPIC_MESSAGES
_RESPONSES, _GEMINI = DialectName.OPENAI_RESPONSES, DialectName.GEMINI
_PAIRS = (
    (_CHAT, _CHAT),
    (_MESSAGES, _MESSAGES),
    (_RESPONSES, _RESPONSES),
    (_MESSAGES, _CHAT),
    (_RESPONSES, _CHAT),
    (_CHAT, _MESSAGES),
    (_CHAT, _RESPONSES),
    (_CHAT, _GEMINI),
)
"""Client and upstream; the first pair is what the others are compared with."""
_ROUTES = {_CHAT: "/v1/chat/completions", _MESSAGES: "/v1/messages", _RESPONSES: "/v1/responses"}
_MARKS = {b"/chat/completions": _CHAT, b"/messages": _MESSAGES, b"/responses": _RESPONSES, b"/models/": _GEMINI}
_PROVIDERS = {
    _CHAT: ("openai", "/v1"),
    _MESSAGES: ("anthropic", ""),
    _RESPONSES: ("openai-responses", "/v1"),
    _GEMINI: ("gemini", ""),
}
_ASK = b'{"model":"m","messages":[{"role":"user","content":"Hi."}],"stream":true}'
_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


@dataclass(frozen=True, slots=True)
class _Load:
    """How much each pair is loaded in a round."""

    chunks: int
    streams: int
    delay_s: float


def main() -> None:
    """Measure and print the table."""
    reader = argparse.ArgumentParser(prog="python -m tools.bench.translated", description=__doc__)
    reader.add_argument("--chunks", type=int, default=300)
    reader.add_argument("--streams", type=int, default=32)
    reader.add_argument("--delay-ms", type=float, default=10.0)
    reader.add_argument("--rounds", type=int, default=5)
    given = reader.parse_args()
    size = _Load(given.chunks, given.streams, given.delay_ms / 1000)
    with tempfile.TemporaryDirectory() as folder, _stage(Path(folder), size) as (server, ports, key):
        costs: dict[tuple[DialectName, DialectName], list[float]] = {pair: [] for pair in _PAIRS}
        for number in range(given.rounds + 1):
            for pair in _PAIRS if number % 2 else reversed(_PAIRS):
                cost = _measure(server, ports, key, pair, size)
                if number:  # the first round warms up
                    costs[pair].append(cost)
    print(f"{'upstream':20} {'client':20} {'us/chunk':>9} {'x raw chat':>11} {'lowest':>7} {'highest':>8}")
    for client, upstream in _PAIRS:
        ratios = [cost / raw for cost, raw in zip(costs[client, upstream], costs[_PAIRS[0]], strict=True)]
        name = "raw" if client == upstream else client
        figures = f"{median(ratios):11.2f} {min(ratios):7.2f} {max(ratios):8.2f}"
        print(f"{upstream:20} {name:20} {median(costs[client, upstream]):9.1f} {figures}")


@contextmanager
def _stage(folder: Path, size: _Load) -> Iterator[tuple[Server, Mapping[str, int], str]]:
    upstream_port, port = free_ports(2)
    context = multiprocessing.get_context("spawn")
    upstream = context.Process(target=_play, args=(upstream_port, size), daemon=True)
    upstream.start()
    configuration = _write_configuration(folder / "gateway", upstream_port)
    server = Server("gateway", gateway.serve_command(configuration, port), core=None, log=folder / "gateway.log")
    try:
        server.wait_until_listening(upstream_port, port)
        yield server, {"gateway": port}, gateway.create_key(configuration)
    finally:
        server.stop()
        upstream.terminate()
        upstream.join()


def _write_configuration(folder: Path, port: int) -> Path:
    path = gateway.write_configuration(folder, upstreams={}, upstream_model="m")
    offers = []
    for dialect, (api, base) in _PROVIDERS.items():
        offers.append(
            f'\n[[providers]]\nname = "{dialect}"\napi = "{api}"\nbase_url = "http://127.0.0.1:{port}{base}"\n'
            f'api_keys = ["k"]\nmax_concurrency = 1000\n'
            f'[[models]]\nid = "bench/{dialect}"\nkind = "chat"\nmax_output_tokens = 100000\n'
            f'[[models.upstreams]]\nprovider = "{dialect}"\nmodel = "m"\n'
        )
    path.write_text(path.read_text() + "".join(offers))
    return path


def _measure(
    server: Server, ports: Mapping[str, int], key: str, pair: tuple[DialectName, DialectName], size: _Load
) -> float:
    client, upstream = pair
    body: dict[str, object] = {"model": f"bench/{upstream}", "stream": True, "max_tokens": 50_000}
    if client == _RESPONSES:
        body = {"model": f"bench/{upstream}", "stream": True, "store": False, "input": "Hi."}
    else:
        body["messages"] = [{"role": "user", "content": "Hi."}]
    request = render_request(_ROUTES[client], encode(body), key)
    began = machine.cpu_s(server.pids)
    asyncio.run(_read_streams(ports["gateway"], request, size.streams))
    return (machine.cpu_s(server.pids) - began) * 1e6 / (size.streams * size.chunks)


async def _read_streams(port: int, request: bytes, count: int) -> None:
    async with asyncio.TaskGroup() as tasks:
        for _ in range(count):
            tasks.create_task(_read_stream(port, request))


async def _read_stream(port: int, request: bytes) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 20)
    writer.write(request)
    head = await reader.readuntil(b"\r\n\r\n")
    if b" 200 " not in head.split(b"\r\n", 1)[0]:
        raise RuntimeError((head + await reader.read(2000)).decode(errors="replace"))
    tail = b""
    while not tail.endswith(END_OF_STREAM):
        tail = (tail + await reader.read(1 << 16))[-len(END_OF_STREAM) :]
    writer.close()


def _play(port: int, size: _Load) -> None:
    """Serve every vendor's stream until terminated."""
    events = {
        name: [b"%x\r\n%b\r\n" % (len(event), event) for event in VOICES[name].events(_answer(size), Asked("m", _ASK))]
        for name in _PROVIDERS
    }
    uvloop.run(_serve(port, events, size.delay_s))


def _answer(size: _Load) -> Answer:
    return Answer("word " * size.chunks)


async def _serve(port: int, events: Mapping[DialectName, list[bytes]], delay_s: float) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().split(b"content-length:", 1)[1].split(b"\r\n", 1)[0])
                await reader.readexactly(length)
                target = head.split(b" ", 2)[1]
                dialect = next(name for mark, name in _MARKS.items() if mark in target)
                writer.write(_HEAD)
                for event in events[dialect]:
                    await asyncio.sleep(delay_s)
                    writer.write(event)
                writer.write(END_OF_STREAM)
        except asyncio.IncompleteReadError:
            writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", port, backlog=1024)
    await server.serve_forever()


if __name__ == "__main__":
    main()
