"""`openai-images`: OpenAI's Images API, and servers that copy it. Edits go as a form, partial pictures as a stream."""

import secrets
from collections.abc import Iterator

import msgspec

from freetheai_gateway.dialects.protocol import MalformedReply
from freetheai_gateway.domain.images import Made, Operation, Order, Size, SizeRules, fit
from freetheai_gateway.domain.usage import Usage, token_count
from freetheai_gateway.jsonc import ReplyDecoder, encode
from freetheai_gateway.services.body import Body
from freetheai_gateway.services.image_ports import Ask
from freetheai_gateway.services.ports import UpstreamFailed, UpstreamReply
from freetheai_gateway.services.provider_errors import from_transport
from freetheai_gateway.sse import EventTooLarge, LargeEventCutter, large_event_data
from freetheai_gateway.upstream.images.calls import (
    MAX_REPLY_BYTES,
    Calls,
    Drawn,
    failed_inside,
    malformed,
    read,
    read_part,
    refused,
)

_SIZES = SizeRules(step=16, least=655_360, most=8_294_400, longest=3_840, ratio=3.0)
"""Of gpt-image-2: an area up to that of 3840x2160."""
_POLICY_CODES = frozenset({"moderation_blocked", "content_policy_violation"})
_ALWAYS_FAITHFUL = ("gpt-image-2", "gpt-image-1-mini")
_OLD_SIZES = (Size(1024, 1024), Size(1536, 1024), Size(1024, 1536))
"""Of gpt-image-1 and 1.5."""


class _Usage(msgspec.Struct):
    input_tokens: object = None
    output_tokens: object = None


class _Item(msgspec.Struct):
    b64_json: str | None = None
    url: str | None = None
    revised_prompt: str | None = None


class _Reply(msgspec.Struct):
    data: list[_Item] = []
    usage: _Usage | None = None


class _Error(msgspec.Struct):
    code: str | None = None


class _Event(msgspec.Struct):
    type: str = ""
    b64_json: str = ""
    partial_image_index: int = 0
    usage: _Usage | None = None
    error: _Error | None = None


_decode: ReplyDecoder[_Reply] = ReplyDecoder(_Reply)
_decode_event: ReplyDecoder[_Event] = ReplyDecoder(_Event)


class OpenAIImages:
    """Implements `ImageMaker`."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    async def make(self, ask: Ask) -> Made:
        """Generate or edit, in one call."""
        order = ask.order
        fields, adjusted = _fields(order, ask.upstream_model)
        streamed = ask.on_partial is not None and order.partial_images > 0 and order.count == 1
        if streamed:
            fields |= {"stream": True, "partial_images": order.partial_images}
        if order.operation is Operation.EDIT:
            body, content_type = _form(fields, order)
            path = "/images/edits"
        else:
            body, content_type, path = encode(fields), b"application/json", "/images/generations"
        if streamed:
            made = await self._stream(ask, await self._calls.open(ask, path, body, content_type))
        else:
            made = await self._whole(ask, await self._calls.post(ask, path, body, content_type))
        return msgspec.structs.replace(made, adjusted=adjusted)

    async def _whole(self, ask: Ask, data: bytes) -> Made:
        used: list[Usage] = []

        def find(data: bytes) -> Iterator[Drawn]:
            reply = read(_decode, data, ask)
            used.append(_usage(reply.usage))
            return (Drawn(each.b64_json or "", each.url or "", each.revised_prompt or "") for each in reply.data)

        pictures = await self._calls.pictures(ask, data, find)
        if not pictures:
            raise malformed(ask, "the reply holds no picture")
        return Made(tuple(pictures), used[0])

    async def _stream(self, ask: Ask, reply: UpstreamReply) -> Made:
        cutter, body = LargeEventCutter(MAX_REPLY_BYTES), Body(reply)
        try:
            while data := await read_part(body, ask):
                for event in cutter.feed(data):
                    made = await self._event(ask, event)
                    if made is not None:
                        return made
                    ask.held.give_back(len(event))
        except UpstreamFailed as failed:
            raise from_transport(failed, ask.trace) from failed
        except (EventTooLarge, MalformedReply):
            raise malformed(ask, "the stream is broken") from None
        finally:
            reply.close()
        raise malformed(ask, "the stream ended before the picture")

    async def _event(self, ask: Ask, event: bytes) -> Made | None:
        data = large_event_data(event)
        if data is None or data == b"[DONE]":
            return None
        told = _Event()

        def find(data: bytes) -> Iterator[Drawn]:
            nonlocal told
            told = read(_decode_event, data, ask)
            if told.error is not None:
                raise refused(ask) if told.error.code in _POLICY_CODES else failed_inside(ask, "error event")
            return iter([Drawn(told.b64_json)] if told.b64_json else [])

        pictures = await self._calls.pictures(ask, data, find)
        if told.type.endswith(".partial_image") and ask.on_partial is not None and pictures:
            await ask.on_partial(pictures[0].picture, told.partial_image_index)
        if not told.type.endswith(".completed"):
            return None
        if not pictures:
            raise malformed(ask, "the last event holds no picture")
        return Made(tuple(pictures), _usage(told.usage))


def _fields(order: Order, model: str) -> tuple[dict[str, object], tuple[str, ...]]:
    """Say an order in the vendor's fields. `response_format` never goes: these models refuse it."""
    adjusted: list[str] = ["response_format"] if model.startswith(("gpt-image", "chatgpt-image")) else []
    fields: dict[str, object] = {"model": model, "prompt": order.prompt}
    if order.count != 1:
        fields["n"] = order.count
    if order.size is not None:
        size = _size(order.size, model)
        fields["size"] = str(size)
        adjusted += ["size"] if size != order.size else []
    refused_fields = _refused_fields(order, model)
    adjusted += order.said(*refused_fields)
    named = {
        "quality": order.quality,
        "background": order.background,
        "output_format": order.output_format,
        "output_compression": order.compression,
        "moderation": order.moderation,
    }
    if order.operation is Operation.EDIT:
        named["input_fidelity"] = order.fidelity
    fields |= {name: value for name, value in named.items() if value not in {None, ""} and name not in refused_fields}
    return fields, tuple(adjusted)


def _refused_fields(order: Order, model: str) -> set[str]:
    """Name what the API would answer 400 to."""
    refused_fields = set()
    if model.startswith(_ALWAYS_FAITHFUL):
        refused_fields.add("input_fidelity")
    is_transparent = order.background == "transparent"
    if is_transparent and (model.startswith("gpt-image-2") or order.output_format == "jpeg"):
        refused_fields.add("background")
    if order.output_format not in {"jpeg", "webp"}:
        refused_fields.add("output_compression")
    return refused_fields


def _size(size: Size, model: str) -> Size:
    if model.startswith("gpt-image-1"):
        ratio = size.width / size.height
        return min(_OLD_SIZES, key=lambda old: abs(old.width / old.height - ratio))
    return fit(size, _SIZES)


def _form(fields: dict[str, object], order: Order) -> tuple[bytes, bytes]:
    """Render `multipart/form-data` (RFC 7578), several pictures as `image[]`."""
    boundary = b"gateway-" + secrets.token_hex(16).encode()
    parts = []
    for name, value in fields.items():
        text = str(value).lower() if isinstance(value, bool) else str(value)
        parts.append(b'name="%b"\r\n\r\n%b' % (name.encode(), text.encode()))
    field = b"image" if len(order.pictures) == 1 else b"image[]"
    files = [(field, f"image-{index}", picture) for index, picture in enumerate(order.pictures)]
    if order.mask is not None:
        files.append((b"mask", "mask", order.mask))
    for field, stem, picture in files:
        file = f"{stem}.{picture.extension}".encode()
        head = b'name="%b"; filename="%b"\r\ncontent-type: %b\r\n\r\n' % (field, file, picture.media_type.encode())
        parts.append(head + picture.data)
    body = b"".join(b"--%b\r\ncontent-disposition: form-data; %b\r\n" % (boundary, part) for part in parts)
    return body + b"--%b--\r\n" % boundary, b"multipart/form-data; boundary=" + boundary


def _usage(usage: _Usage | None) -> Usage:
    if usage is None:
        return Usage()
    return Usage(input_tokens=token_count(usage.input_tokens), output_tokens=token_count(usage.output_tokens))
