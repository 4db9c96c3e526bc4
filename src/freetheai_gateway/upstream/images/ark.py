"""`ark`: Seedream on BytePlus ModelArk and Volcengine Ark. One call a picture; no mask, and an area of its own."""

import msgspec

from freetheai_gateway.domain.images import Made, MadePicture, Operation, Order, SizeRules, fit
from freetheai_gateway.domain.usage import Usage, token_count
from freetheai_gateway.jsonc import ReplyDecoder, encode
from freetheai_gateway.services.image_ports import Ask
from freetheai_gateway.upstream.images.calls import (
    Calls,
    Drawn,
    failed_inside,
    malformed,
    read,
    refused,
    several,
    too_few,
)

_UNSAID = ("quality", "background", "output_compression", "moderation", "input_fidelity", "output_format", "mask")
_SIZES = (
    ("seedream-3-0", SizeRules(step=16, least=262_144, most=4_194_304, ratio=16.0)),
    ("seedream-4-0", SizeRules(step=16, least=921_600, most=16_777_216, ratio=16.0)),
    ("seedream-5-0", SizeRules(step=16, least=3_686_400, most=10_404_496, ratio=16.0)),
    ("", SizeRules(step=16, least=3_686_400, most=16_777_216, ratio=16.0)),
)
"""By what a model's name holds; the last is that of 4.5."""


class _Error(msgspec.Struct):
    code: str | None = None


class _Item(msgspec.Struct):
    b64_json: str | None = None
    url: str | None = None
    error: _Error | None = None


class _Usage(msgspec.Struct, frozen=True):
    output_tokens: object = None


class _Reply(msgspec.Struct):
    data: list[_Item] = []
    usage: _Usage = _Usage()


_decode: ReplyDecoder[_Reply] = ReplyDecoder(_Reply)


class Ark:
    """Implements `ImageMaker`."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    async def make(self, ask: Ask) -> Made:
        """Make each picture by a call of its own."""
        fields, adjusted = _fields(ask.order, ask.upstream_model)
        body = encode(fields)
        spent: list[int] = []

        async def make_one() -> list[MadePicture]:
            def find(data: bytes) -> list[Drawn]:
                reply = read(_decode, data, ask)
                spent.append(token_count(reply.usage.output_tokens))
                return [_result(ask, reply)]

            return await self._calls.pictures(ask, await self._calls.post(ask, "/images/generations", body), find)

        pictures = await several(ask, make_one)
        return Made(pictures, Usage(output_tokens=sum(spent)), (*adjusted, *too_few(ask, pictures)))


def _result(ask: Ask, reply: _Reply) -> Drawn:
    for item in reply.data:
        if item.error is not None:
            raise _fault(ask, item.error.code or "")
        if item.b64_json or item.url:
            return Drawn(item.b64_json or "", item.url or "")
    raise malformed(ask, "the reply holds no picture")


def _fields(order: Order, model: str) -> tuple[dict[str, object], tuple[str, ...]]:
    adjusted = list(order.said(*_UNSAID))
    fields: dict[str, object] = {
        "model": model,
        "prompt": order.prompt,
        "response_format": "b64_json",
        "watermark": False,
        "sequential_image_generation": "disabled",
    }
    if order.size is not None:
        size = fit(order.size, next(rules for name, rules in _SIZES if name in model))
        fields["size"] = str(size)
        adjusted += ["size"] if size != order.size else []
    if order.operation is Operation.EDIT:
        urls = [picture.data_url for picture in order.pictures]
        fields["image"] = urls[0] if len(urls) == 1 else urls
    return fields, tuple(adjusted)


def _fault(ask: Ask, code: str) -> Exception:
    words = ("Sensitive", "Risk", "Copyright")
    return refused(ask) if any(word in code for word in words) else failed_inside(ask, "an element holds an error")
