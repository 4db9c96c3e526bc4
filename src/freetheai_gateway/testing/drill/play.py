"""One request of a drill, as a plain client sends it, and what it saw."""

from collections.abc import Sequence

import msgspec

from freetheai_gateway.clock import Clock
from freetheai_gateway.domain.pools import Timeouts
from freetheai_gateway.jsonc import Decoder, InvalidJSON, encode
from freetheai_gateway.services.body import header
from freetheai_gateway.services.ports import Origin, UpstreamClient, UpstreamFailed, UpstreamReply, UpstreamRequest
from freetheai_gateway.testing.completions import DEFAULT_TEXT

_PATIENCE = Timeouts(connect_s=5.0, first_byte_s=30.0, first_content_s=30.0, idle_s=30.0, total_s=600.0)


class _Delta(msgspec.Struct):
    content: str | None = None


class _Choice(msgspec.Struct):
    delta: _Delta = msgspec.field(default_factory=_Delta)


class _Chunk(msgspec.Struct):
    choices: list[_Choice] = []


_read_chunk: Decoder[_Chunk] = Decoder(_Chunk)


class Got(msgspec.Struct, frozen=True, gc=False):
    """What came: `answer` as in `cases.Seen`, or `cut` where the gateway itself broke off."""

    answer: str
    request_id: str
    seconds: float


class Player:
    """Sends the requests of one key."""

    def __init__(self, client: UpstreamClient, port: int, key: str, clock: Clock) -> None:
        self._client = client
        self._origin = Origin("http", "127.0.0.1", port)
        self._headers = (
            (b"authorization", b"Bearer " + key.encode()),
            (b"content-type", b"application/json"),
        )
        self._clock = clock

    async def ask(self, model: str, prompt: str, *, streamed: bool, text: str = DEFAULT_TEXT) -> Got:
        """Send one request and read its answer to the end; `text` is what a whole one says."""
        body = encode({"model": model, "stream": streamed, "messages": [{"role": "user", "content": prompt}]})
        return await self._send("POST", "/v1/chat/completions", body, text, streamed=streamed)

    async def read(self, path: str) -> bytes:
        """Read a page."""
        reply = await self._client.send(
            UpstreamRequest("GET", self._origin, path, self._headers[:1], timeouts=_PATIENCE)
        )
        return b"".join(await _read_all(reply))

    async def _send(self, method: str, path: str, body: bytes, text: str, *, streamed: bool) -> Got:
        started = self._clock.monotonic()
        request = UpstreamRequest(method, self._origin, path, self._headers, body, timeouts=_PATIENCE)
        try:
            reply = await self._client.send(request)
            data = b"".join(await _read_all(reply))
        except UpstreamFailed:
            return Got("cut", "", self._clock.monotonic() - started)
        seconds = self._clock.monotonic() - started
        return Got(
            _judge(reply.status, data, text, streamed=streamed), header(reply, b"x-request-id").decode(), seconds
        )


def _judge(status: int, data: bytes, text: str, *, streamed: bool) -> str:
    if status != 200:
        return str(status)
    if not streamed:
        return "whole" if text.encode() in data else "wrong"
    if data.endswith(b"data: [DONE]\n\n"):
        return "whole" if _text_of(data) == text and b'"error"' not in data else "wrong"
    return "broken" if b'"finish_reason":"error"' in data else "cut"


def _text_of(stream: bytes) -> str:
    """Join what the chunks of a stream say, wherever they were cut."""
    lines = (line.removeprefix(b"data: ") for line in stream.split(b"\n") if line.startswith(b"data: {"))
    try:
        chunks = [_read_chunk(line) for line in lines]
    except InvalidJSON:
        return ""
    return "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)


async def _read_all(reply: UpstreamReply) -> Sequence[bytes]:
    parts = []
    try:
        while part := await reply.read():
            parts.append(part)
    finally:
        reply.close()
    return parts
