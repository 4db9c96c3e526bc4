"""`python -m tools.bench.chunks`: what a chunk of a stream costs in each lane, in one process and without a socket.

Each stream comes as one event per read. The raw lane is given the very same bytes where it speaks that dialect, and
those of the Chat Completions stream where it does not (Gemini). Memory is what a lane still holds after its last chunk.
"""

import argparse
import gc
import time
import tracemalloc
from collections.abc import Callable
from statistics import median

from freetheai_gateway.app.dialects import CLIENTS, UPSTREAMS
from freetheai_gateway.dialects.anthropic_messages import AnthropicMessages
from freetheai_gateway.dialects.lanes import TranslatedStream
from freetheai_gateway.dialects.openai_chat import OpenAIChat
from freetheai_gateway.dialects.openai_responses import OpenAIResponses
from freetheai_gateway.dialects.protocol import ClientView, Dialect, DialectName, RawStream, Target
from freetheai_gateway.domain.pools import Quirks
from freetheai_gateway.testing.voices import VOICES, Answer, Asked

RELAYED_CHUNK_US = 48.5
"""CPU of a whole relayed chunk through the gateway, from `docs/benchmarks.md`: sockets, event loop and raw lane."""

Open = Callable[[], RawStream]

_CHAT, _MESSAGES = DialectName.OPENAI_CHAT, DialectName.ANTHROPIC_MESSAGES
_RESPONSES, _GEMINI = DialectName.OPENAI_RESPONSES, DialectName.GEMINI
_PAIRS = ((_CHAT, _MESSAGES), (_CHAT, _RESPONSES), (_MESSAGES, _CHAT), (_RESPONSES, _CHAT), (_GEMINI, _CHAT))
_RAW: dict[DialectName, Dialect] = {
    dialect.name: dialect for dialect in (OpenAIChat(), AnthropicMessages(), OpenAIResponses())
}
_ASK = b'{"model":"m","messages":[{"role":"user","content":"Hi."}],"stream":true}'
_SHORT = 200
"""Chunks after which memory is first looked at: by then a stream holds all that it will ever hold."""


def main() -> None:
    """Measure and print the table."""
    reader = argparse.ArgumentParser(prog="python -m tools.bench.chunks", description=__doc__)
    reader.add_argument("--chunks", type=int, default=10_000)
    reader.add_argument("--rounds", type=int, default=7)
    given = reader.parse_args()
    reads = {name: VOICES[name].events(Answer("word " * given.chunks), Asked("m", _ASK)) for name in UPSTREAMS}
    raw = {name: _cost_us(_raw(dialect), reads[name], given.rounds) for name, dialect in _RAW.items()}
    print(f"{'upstream':20} {'client':20} {'us/chunk':>9} {'x raw':>6} {'x relayed chunk':>16} {'grown, bytes':>13}")
    for name, cost_us in raw.items():
        _print(name, "raw", cost_us, cost_us, _growth_bytes(_raw(_RAW[name]), reads[name]))
    for upstream, client in _PAIRS:
        follow = _translated(client, upstream)
        cost_us = _cost_us(follow, reads[upstream], given.rounds)
        _print(upstream, client, cost_us, raw.get(upstream, raw[_CHAT]), _growth_bytes(follow, reads[upstream]))


def _print(upstream: str, client: str, cost_us: float, raw_us: float, grown: int) -> None:
    through_gateway = (RELAYED_CHUNK_US - raw_us + cost_us) / RELAYED_CHUNK_US
    print(f"{upstream:20} {client:20} {cost_us:9.2f} {cost_us / raw_us:6.1f} {through_gateway:16.2f} {grown:13,}")


def _raw(dialect: Dialect) -> Open:
    ask = dialect.parse_request(b'{"model":"m","messages":[1],"input":"Hi.","max_tokens":9,"stream":true}')
    return lambda: dialect.open_stream(ask, "vendor/model")


def _translated(client: DialectName, upstream: DialectName) -> Open:
    conversation = CLIENTS[_CHAT].parse(_ASK)
    rendered = UPSTREAMS[upstream].render(conversation, Target("m", Quirks(), 4096, 4096))
    view = ClientView("vendor/model", "0123456789", 1_700_000_000, conversation)
    return lambda: TranslatedStream(UPSTREAMS[upstream].reply_parser(rendered), CLIENTS[client].reply_renderer(view))


def _cost_us(follow: Open, reads: list[bytes], rounds: int) -> float:
    """Measure the CPU per read; the median of the rounds."""
    costs = []
    for _ in range(rounds):
        stream = follow()
        gc.collect()
        began = time.process_time_ns()
        for data in reads:
            stream.feed(data)
        costs.append((time.process_time_ns() - began) / 1000 / len(reads))
        stream.check()
        assert stream.event_count > len(reads) * 0.9, "the stream was followed to its end"
    return median(costs)


def _growth_bytes(follow: Open, reads: list[bytes]) -> int:
    """Measure what is held before the last events of a stream, less what was held near its beginning."""
    stream = follow()
    for data in reads[:_SHORT]:
        stream.feed(data)
    gc.collect()
    tracemalloc.start()
    for data in reads[_SHORT:-10]:
        stream.feed(data)
    gc.collect()
    grown, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return grown


if __name__ == "__main__":
    main()
