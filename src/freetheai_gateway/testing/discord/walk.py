"""What one key opens, walked through as a client does it: chat, streaming, Messages, catalogue, pictures."""

from base64 import b64decode
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from secrets import token_hex
from typing import Any

from freetheai_gateway.clock import Clock
from freetheai_gateway.domain.pools import Timeouts
from freetheai_gateway.jsonc import decode_any, encode
from freetheai_gateway.services.body import MAX_REPLY_BYTES, Body
from freetheai_gateway.services.ports import Origin, UpstreamClient, UpstreamReply, UpstreamRequest
from freetheai_gateway.sse import EventCutter, event_data, split_events

CHAT_MODEL, IMAGE_MODEL = "local/smollm2-135m", "local/sketch"
_PATIENCE = Timeouts(connect_s=5.0, total_s=120.0)
_JSON = (b"content-type", b"application/json")
Show = Callable[[Any], str]
"""Picks out of a decoded answer what is shown of it."""


class WalkFailed(Exception):
    """A step was not answered as promised; the text says which and how."""


@dataclass(frozen=True, slots=True)
class Step:
    """One request: what it shows, and the beginning of what came."""

    title: str
    line: str
    status: int
    shown: str
    ms: int


class Walker:
    """Sends the requests of one key."""

    def __init__(self, client: UpstreamClient, port: int, key: str, clock: Clock) -> None:
        self._client = client
        self._origin = Origin("http", "127.0.0.1", port)
        self._bearer = (b"authorization", b"Bearer " + key.encode())
        self._clock = clock

    async def words(self, prompt: str) -> AsyncIterator[str]:
        """Stream a chat, word by word as they come. Raises `WalkFailed`."""
        body = encode(_chat(prompt, stream=True))
        reply = await self._send("POST", "/v1/chat/completions", (_JSON,), body, streamed=True)
        if reply.status != 200:
            raise WalkFailed(f"the chat was answered {reply.status}: {(await _read(reply))[:300]!r}")
        cutter = EventCutter()
        try:
            while part := await reply.read():
                for text in filter(None, map(_delta, split_events(cutter.feed(part)))):
                    yield text
        finally:
            reply.close()

    async def steps(self) -> AsyncIterator[Step]:
        """Walk. Raises `WalkFailed`."""
        yield await self._json("chat", "POST /v1/chat/completions", _chat("Name a color."), _said)
        yield await self._streamed()
        message = {"model": CHAT_MODEL, "max_tokens": 24, "messages": [{"role": "user", "content": "Name a fruit."}]}
        yield await self._json("Messages", "POST /v1/messages", message, lambda got: got["content"][0]["text"])
        yield await self._json("catalogue", "GET /v1/models", None, _listed)
        drawing = {"model": IMAGE_MODEL, "prompt": "A lighthouse in fog", "size": "256x256"}
        drawn: list[bytes] = []

        def picture(got: Any) -> str:
            drawn.append(b64decode(got["data"][0]["b64_json"]))
            return f"a picture of {len(drawn[-1]):,} bytes"

        yield await self._json("generation", "POST /v1/images/generations", drawing, picture)
        yield await self._edited(drawn[0], picture)

    async def _streamed(self) -> Step:
        started = self._clock.monotonic()
        parts = [word async for word in self.words("Count to three.")]
        ms = round((self._clock.monotonic() - started) * 1000)
        return Step("streaming", "POST /v1/chat/completions", 200, f"{len(parts)} pieces: {_short(''.join(parts))}", ms)

    async def _edited(self, image: bytes, show: Show) -> Step:
        boundary = token_hex(12)
        fields = (("model", IMAGE_MODEL), ("prompt", "Make the sky darker"))
        parts = [
            f'--{boundary}\r\ncontent-disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
            for name, value in fields
        ]
        parts.append(
            f'--{boundary}\r\ncontent-disposition: form-data; name="image"; filename="drawing.png"\r\n'
            "content-type: image/png\r\n\r\n".encode()
            + image
            + f"\r\n--{boundary}--\r\n".encode()
        )
        kind = (b"content-type", f"multipart/form-data; boundary={boundary}".encode())
        return await self._whole("edit", "POST /v1/images/edits", (kind,), b"".join(parts), show)

    async def _json(self, title: str, line: str, body: object, show: Show) -> Step:
        headers = () if body is None else (_JSON,)
        return await self._whole(title, line, headers, b"" if body is None else encode(body), show)

    async def _whole(
        self, title: str, line: str, headers: Sequence[tuple[bytes, bytes]], body: bytes, show: Show
    ) -> Step:
        started = self._clock.monotonic()
        method, _, path = line.partition(" ")
        reply = await self._send(method, path, headers, body)
        data = await _read(reply)
        ms = round((self._clock.monotonic() - started) * 1000)
        if reply.status != 200:
            raise WalkFailed(f"{line} was answered {reply.status}: {data[:300]!r}")
        return Step(title, line, reply.status, _short(str(show(decode_any(data)))), ms)

    async def _send(
        self,
        method: str,
        path: str,
        headers: Sequence[tuple[bytes, bytes]],
        body: bytes,
        *,
        streamed: bool = False,
    ) -> UpstreamReply:
        request = UpstreamRequest(
            method, self._origin, path, (self._bearer, *headers), body, streamed=streamed, timeouts=_PATIENCE
        )
        return await self._client.send(request)


async def _read(reply: UpstreamReply) -> bytes:
    try:
        return await Body(reply).read_all(MAX_REPLY_BYTES)
    finally:
        reply.close()


def _chat(prompt: str, *, stream: bool = False) -> dict[str, object]:
    messages = [{"role": "user", "content": prompt}]
    return {"model": CHAT_MODEL, "stream": stream, "max_tokens": 24, "messages": messages}


def _delta(event: bytes) -> str:
    data = event_data(event)
    if data is None or data == b"[DONE]":
        return ""
    chunk: Any = decode_any(data)
    choices = chunk.get("choices") or [{}]
    return str(choices[0].get("delta", {}).get("content") or "")


def _said(got: Any) -> str:
    return str(got["choices"][0]["message"]["content"])


def _listed(got: Any) -> str:
    return ", ".join(each["id"] for each in got["data"])


def _short(text: str) -> str:
    one_line = " ".join(text.split())
    return one_line if len(one_line) <= 60 else one_line[:59] + "…"
