"""`fal`: the queue of fal.ai. Submit, ask `status_url`, read `response_url`, cancel by `cancel_url` when nobody waits.

The addresses are those of the reply: a model's sub-path stands in the first call only. `COMPLETED` may hold an error.
"""

import asyncio

import msgspec

from freetheai_gateway.domain.images import Made, MadePicture, Operation, Order, nearest_ratio
from freetheai_gateway.errors import InvalidRequest
from freetheai_gateway.jsonc import ReplyDecoder, encode
from freetheai_gateway.services.image_ports import Ask
from freetheai_gateway.upstream.images.calls import Calls, failed_inside, malformed, read, refused

_UNSAID = ("quality", "background", "output_compression", "moderation", "input_fidelity")
_FORMATS = frozenset({"png", "jpeg"})
_BY_RATIO = ("kontext", "nano-banana", "ultra", "imagen")
"""Of models that take an aspect ratio and no size."""
_ONE_INPUT = ("ideogram",)
_MOST_IMAGES = 4
_POLICY = "content_policy_violation"


class _Submitted(msgspec.Struct):
    status_url: str = ""
    response_url: str = ""
    cancel_url: str = ""


class _State(msgspec.Struct):
    status: str = ""
    error: object = None
    error_type: str | None = None


class _Image(msgspec.Struct):
    url: str = ""


class _Result(msgspec.Struct):
    images: list[_Image] = []
    image: _Image | None = None
    has_nsfw_concepts: list[bool] | None = None


_decode_submitted: ReplyDecoder[_Submitted] = ReplyDecoder(_Submitted)
_decode_state: ReplyDecoder[_State] = ReplyDecoder(_State)
_decode_result: ReplyDecoder[_Result] = ReplyDecoder(_Result)


class Fal:
    """Implements `ImageMaker`."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    async def make(self, ask: Ask) -> Made:
        """Make all pictures by one job."""
        fields, adjusted = _fields(ask.order, ask.upstream_model)
        data = await self._calls.post(ask, f"/{ask.upstream_model.strip('/')}", encode(fields))
        job = read(_decode_submitted, data, ask)
        if not job.status_url or not job.response_url:
            raise malformed(ask, "the reply names no status_url")
        try:
            await self._calls.poll(lambda: self._look(ask, job.status_url))
        except asyncio.CancelledError:
            if job.cancel_url:
                await self._calls.cancel(ask, job.cancel_url)
            raise
        result = await self._result(ask, job)
        return Made(tuple([MadePicture(await self._calls.download(ask, url)) for url in result]), adjusted=adjusted)

    async def _look(self, ask: Ask, url: str) -> bool | None:
        state = read(_decode_state, await self._calls.get(ask, url), ask)
        if state.error or state.error_type:
            raise refused(ask) if state.error_type == _POLICY else failed_inside(ask, "the job failed")
        if state.status in {"IN_QUEUE", "IN_PROGRESS"}:
            return None
        if state.status != "COMPLETED":
            raise failed_inside(ask, "the job has no known state")
        return True

    async def _result(self, ask: Ask, job: _Submitted) -> list[str]:
        try:
            data = await self._calls.get(ask, job.response_url)
        except InvalidRequest as error:
            if error.code == _POLICY:
                raise refused(ask) from None
            raise
        result = read(_decode_result, data, ask)
        flags = result.has_nsfw_concepts or []
        images = result.images or ([result.image] if result.image is not None else [])
        fine = [image.url for index, image in enumerate(images) if not (index < len(flags) and flags[index])]
        if images and not fine:
            raise refused(ask)
        if not fine:
            raise malformed(ask, "the reply holds no picture")
        return fine


def _takes_several(model: str) -> bool:
    """Whether a model takes a list of pictures, also where there is one."""
    return model.rstrip("/").endswith(("/edit", "/multi")) and not any(word in model for word in _ONE_INPUT)


def _fields(order: Order, model: str) -> tuple[dict[str, object], tuple[str, ...]]:
    adjusted = order.said(*_UNSAID)
    count = min(order.count, _MOST_IMAGES)
    if count < order.count:
        adjusted += ("n",)
    fields: dict[str, object] = {"prompt": order.prompt, "num_images": count}
    if order.output_format in _FORMATS:
        fields["output_format"] = order.output_format
    else:
        adjusted += order.said("output_format")
    if order.size is not None and any(word in model for word in _BY_RATIO):
        fields["aspect_ratio"] = nearest_ratio(order.size)
        adjusted += ("size",)
    elif order.size is not None:
        fields["image_size"] = {"width": order.size.width, "height": order.size.height}
    if order.operation is Operation.EDIT:
        urls = [picture.data_url for picture in order.pictures]
        fields |= {"image_urls": urls} if len(urls) > 1 or _takes_several(model) else {"image_url": urls[0]}
        if order.mask is not None:
            fields["mask_url"] = order.mask.data_url
    return fields, adjusted
