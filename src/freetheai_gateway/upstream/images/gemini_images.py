"""`gemini-images`: Gemini's image models, which answer inside `generateContent`. One picture a call, no mask."""

from urllib.parse import quote

import msgspec

from freetheai_gateway.domain.images import Made, MadePicture, Order, Size, nearest_ratio
from freetheai_gateway.domain.usage import Usage, token_count
from freetheai_gateway.jsonc import ReplyDecoder, encode
from freetheai_gateway.services.image_ports import Ask
from freetheai_gateway.upstream.images.calls import Calls, Drawn, malformed, read, refused, several, too_few

_UNSAID = (
    *("quality", "background", "output_format", "output_compression"),
    *("moderation", "input_fidelity", "mask", "size"),
)
_REFUSALS = frozenset(
    {
        *("SAFETY", "PROHIBITED_CONTENT", "BLOCKLIST", "SPII", "RECITATION", "NO_IMAGE"),
        *("IMAGE_SAFETY", "IMAGE_PROHIBITED_CONTENT", "IMAGE_RECITATION", "IMAGE_OTHER"),
    }
)
_RESOLUTIONS = ((2_048, "2K"), (4_096, "4K"))
_ONE_RESOLUTION = "gemini-2.5-flash-image"
_ONE_K = 1_536
"""Longest side that the resolution `1K` stands for, at any aspect ratio."""


class _Blob(msgspec.Struct, rename="camel"):
    data: str = ""


class _Part(msgspec.Struct, rename="camel"):
    inline_data: _Blob | None = None
    thought: bool = False


class _Content(msgspec.Struct):
    parts: list[_Part] = []


class _Candidate(msgspec.Struct, rename="camel"):
    content: _Content | None = None
    finish_reason: str = ""


class _Feedback(msgspec.Struct, rename="camel"):
    block_reason: str = ""


class _UsageMetadata(msgspec.Struct, rename="camel", frozen=True):
    prompt_token_count: object = None
    candidates_token_count: object = None


class _Reply(msgspec.Struct, rename="camel"):
    candidates: list[_Candidate] = []
    prompt_feedback: _Feedback | None = None
    usage_metadata: _UsageMetadata = _UsageMetadata()


_decode: ReplyDecoder[_Reply] = ReplyDecoder(_Reply)


class GeminiImages:
    """Implements `ImageMaker`."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    async def make(self, ask: Ask) -> Made:
        """Make each picture by a call of its own."""
        body = encode(_body(ask.order, ask.upstream_model))
        path = f"/v1beta/models/{quote(ask.upstream_model, safe='')}:generateContent"
        spent: list[_UsageMetadata] = []

        async def make_one() -> list[MadePicture]:
            def find(data: bytes) -> list[Drawn]:
                reply = read(_decode, data, ask)
                spent.append(reply.usage_metadata)
                return [_result(ask, reply)]

            return await self._calls.pictures(ask, await self._calls.post(ask, path, body), find)

        pictures = await several(ask, make_one)
        usage = Usage(
            input_tokens=sum(token_count(each.prompt_token_count) for each in spent),
            output_tokens=sum(token_count(each.candidates_token_count) for each in spent),
        )
        return Made(pictures, usage, (*ask.order.said(*_UNSAID), *too_few(ask, pictures)))


def _body(order: Order, model: str) -> dict[str, object]:
    parts: list[dict[str, object]] = [{"text": order.prompt}]
    parts += [{"inlineData": {"mimeType": picture.media_type, "data": picture.base64}} for picture in order.pictures]
    config: dict[str, object] = {"responseModalities": ["IMAGE"]}
    if order.size is not None:
        config["imageConfig"] = _image_config(order.size, model)
    return {"contents": [{"role": "user", "parts": parts}], "generationConfig": config}


def _image_config(size: Size, model: str) -> dict[str, str]:
    """Say a size as the nearest aspect ratio and resolution."""
    config = {"aspectRatio": nearest_ratio(size)}
    longest = max(size.width, size.height)
    if longest > _ONE_K and not model.startswith(_ONE_RESOLUTION):
        config["imageSize"] = next((name for most, name in _RESOLUTIONS if longest <= most), "4K")
    return config


def _result(ask: Ask, reply: _Reply) -> Drawn:
    """Find the result: the first picture that is no draft of the model's thoughts."""
    parts = [part for each in reply.candidates if each.content is not None for part in each.content.parts]
    blobs = [part.inline_data.data for part in parts if part.inline_data is not None and not part.thought]
    if blobs:
        return Drawn(blobs[0])
    reasons = {each.finish_reason for each in reply.candidates}
    if reasons & _REFUSALS or (reply.prompt_feedback is not None and reply.prompt_feedback.block_reason):
        raise refused(ask)
    raise malformed(ask, "the reply holds no picture")
