"""`bfl`: Black Forest Labs. Submit, ask the address that came back until it is ready, fetch the result at once.

The address of a result ends after ten minutes. There is no way to cancel. Source: docs.bfl.ai, as far as it is public.
"""

import msgspec

from freetheai_gateway.domain.images import RATIOS, Made, MadePicture, Order, SizeRules, fit, nearest_ratio
from freetheai_gateway.jsonc import ReplyDecoder, encode
from freetheai_gateway.services.image_ports import Ask
from freetheai_gateway.upstream.images.calls import Calls, failed_inside, malformed, read, refused, several, too_few

_UNSAID = ("quality", "background", "output_compression", "moderation", "input_fidelity", "mask")
_FORMATS = frozenset({"png", "jpeg"})
_OLD = ("flux-dev", "flux-pro")
_OLD_SIZES = SizeRules(step=32, least=256 * 256, most=1_440 * 1_440, shortest=256, longest=1_440)
_SIZES = SizeRules(step=16, least=256 * 256, most=2_048 * 2_048, shortest=64)
_BY_RATIO = ("flux-kontext", "flux-pro-1.1-ultra")
"""Models that take an aspect ratio and no size."""
_RATIOS = (*RATIOS, "9:21")
_REFUSALS = frozenset({"Request Moderated", "Content Moderated"})
_WAITS = frozenset({"Pending", "Queued", "Processing"})


class _Submitted(msgspec.Struct):
    id: str = ""
    polling_url: str = ""


class _Result(msgspec.Struct):
    sample: str = ""


class _State(msgspec.Struct):
    status: str = ""
    result: _Result | None = None


_decode_submitted: ReplyDecoder[_Submitted] = ReplyDecoder(_Submitted)
_decode_state: ReplyDecoder[_State] = ReplyDecoder(_State)


class BlackForestLabs:
    """Implements `ImageMaker`."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    async def make(self, ask: Ask) -> Made:
        """Make each picture by a job of its own."""
        fields, adjusted = _fields(ask.order, ask.upstream_model)
        body = encode(fields)

        async def make_one() -> list[MadePicture]:
            data = await self._calls.post(ask, f"/v1/{ask.upstream_model}", body)
            submitted = read(_decode_submitted, data, ask)
            if not submitted.polling_url:
                raise malformed(ask, "the reply names no polling_url")
            url = await self._calls.poll(lambda: self._look(ask, submitted.polling_url))
            return [MadePicture(await self._calls.download(ask, url))]

        pictures = await several(ask, make_one)
        return Made(pictures, adjusted=(*adjusted, *too_few(ask, pictures)))

    async def _look(self, ask: Ask, url: str) -> str | None:
        state = read(_decode_state, await self._calls.get(ask, url), ask)
        if state.status in _WAITS:
            return None
        if state.status in _REFUSALS:
            raise refused(ask)
        if state.status != "Ready" or state.result is None or not state.result.sample:
            raise failed_inside(ask, "the job failed")
        return state.result.sample


def _fields(order: Order, model: str) -> tuple[dict[str, object], tuple[str, ...]]:
    kind = order.output_format or "png"
    adjusted = list(order.said(*_UNSAID))
    if kind not in _FORMATS:
        kind = "png"
        adjusted.append("output_format")
    fields: dict[str, object] = {"prompt": order.prompt, "output_format": kind}
    if order.size is not None and model.startswith(_BY_RATIO):
        fields["aspect_ratio"] = nearest_ratio(order.size, _RATIOS)
        adjusted.append("size")
    elif order.size is not None:
        size = fit(order.size, _OLD_SIZES if model.startswith(_OLD) else _SIZES)
        fields |= {"width": size.width, "height": size.height}
        adjusted += ["size"] if size != order.size else []
    for index, picture in enumerate(order.pictures, 1):
        fields["input_image" if index == 1 else f"input_image_{index}"] = picture.base64
    return fields, tuple(adjusted)
