"""`sketch`: a deterministic drawing of a prompt by Pillow, so that the image routes work on a machine without a key.

It is no model: words become numbers, numbers become shapes, and the picture says so in its lower left corner.
"""

import asyncio
from hashlib import blake2b
from io import BytesIO
from random import Random
from typing import TYPE_CHECKING

from freetheai_gateway.dialects.openai_images import find_picture
from freetheai_gateway.domain.images import Made, MadePicture, Order, Picture, Size
from freetheai_gateway.domain.pools import Terms
from freetheai_gateway.errors import InvalidRequest
from freetheai_gateway.services.image_ports import Ask
from freetheai_gateway.services.ports import ProviderCall, Readiness, UpstreamRequest

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw

LABEL = "drawn without AI"
DEFAULT_SIZE = Size(512, 512)
MAX_SIDE = 1_536
_IGNORED = ("quality", "background", "input_fidelity", "output_compression", "moderation", "mask")
_AT_ONCE = 2
_SHAPES = 14
_FORMATS = {"png": "PNG", "jpeg": "JPEG", "webp": "WEBP"}
_PARTIAL_SIDE = 64


class SketchProvider:
    """Implements `Provider`, for the catalogue, and `ImageMaker`. Draws in threads, two at once."""

    dialects = ()
    fetches = ()

    def __init__(self, name: str, *, shared_with_members: bool = True) -> None:
        self.name = name
        self.terms = Terms()
        self.shared_with_members = shared_with_members
        self._slots = asyncio.Semaphore(_AT_ONCE)

    def readiness(self) -> Readiness:
        """Say that it can be called: it needs nothing."""
        return Readiness.READY

    def call(self, call: ProviderCall, key_index: int) -> UpstreamRequest:
        """Refuse: there is no server to call."""
        raise NotImplementedError(f"{call.model} key {key_index}: a drawing is no HTTP call")

    def list_models(self, key_index: int) -> UpstreamRequest | None:  # noqa: ARG002 - it has no key
        """Give none: there is nothing that could be ill."""
        return None

    async def make(self, ask: Ask) -> Made:
        """Draw what was ordered, the same every time."""
        order = ask.order
        adjusted = list(order.said(*_IGNORED))
        if order.size is not None and max(order.size.width, order.size.height) > MAX_SIDE:
            adjusted.append("size")
        async with self._slots:
            for index in range(order.partial_images if ask.on_partial is not None else 0):
                assert ask.on_partial is not None
                await ask.on_partial(await asyncio.to_thread(_draw, order, 0, _PARTIAL_SIDE * (index + 1)), index)
            drawn = [await asyncio.to_thread(_draw, order, index) for index in range(order.count)]
        return Made(tuple(MadePicture(picture) for picture in drawn), adjusted=tuple(adjusted))


def _draw(order: Order, index: int, side: int = MAX_SIDE) -> Picture:
    """Draw one picture whose sides are at most `side`."""
    from PIL import Image, ImageDraw, UnidentifiedImageError  # noqa: PLC0415 - 40 ms that only drawing needs

    wanted = order.size or (order.pictures[0].size if order.pictures else DEFAULT_SIZE)
    scale = min(1.0, side / max(wanted.width, wanted.height))
    size = (max(1, round(wanted.width * scale)), max(1, round(wanted.height * scale)))
    chance = Random(blake2b(f"{index} {order.prompt}".encode(errors="replace"), digest_size=8).digest())  # noqa: S311
    if order.pictures:
        try:
            canvas = Image.open(BytesIO(order.pictures[0].data)).convert("RGB").resize(size)
        except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError):
            raise InvalidRequest("image can't be decoded.", code="invalid_image", param="image") from None
        _frame(ImageDraw.Draw(canvas), size, chance)
    else:
        canvas = Image.new("RGB", size, _colour(chance, 200, 255))
        _shapes(ImageDraw.Draw(canvas), size, chance)
    _label(canvas, ImageDraw.Draw(canvas))
    return _encoded(canvas, order)


def _shapes(draw: "ImageDraw", size: tuple[int, int], chance: Random) -> None:
    width, height = size
    for _ in range(_SHAPES):
        radius = chance.uniform(0.04, 0.28) * min(size)
        x, y = chance.random() * width, chance.random() * height
        box = (x - radius, y - radius, x + radius, y + radius)
        colour = _colour(chance, 40, 220)
        match chance.randrange(3):
            case 0:
                draw.ellipse(box, fill=colour)
            case 1:
                draw.rectangle(box, fill=colour)
            case _:
                corners = [(chance.uniform(box[0], box[2]), chance.uniform(box[1], box[3])) for _ in range(3)]
                draw.polygon(corners, fill=colour)


def _frame(draw: "ImageDraw", size: tuple[int, int], chance: Random) -> None:
    """Draw a frame around a picture that is edited, in colours of the prompt."""
    width, height = size
    thick = max(1, min(size) // 24)
    for ring in range(3):
        inset = ring * thick
        if width - 2 * inset > thick and height - 2 * inset > thick:
            box = (inset, inset, width - 1 - inset, height - 1 - inset)
            draw.rectangle(box, outline=_colour(chance, 20, 235), width=thick)


def _label(canvas: "Image", draw: "ImageDraw") -> None:
    left, top, right, bottom = (round(edge) for edge in draw.textbbox((0, 0), LABEL))
    box = (0, canvas.height - (bottom - top) - 8, (right - left) + 8, canvas.height)
    draw.rectangle(box, fill=(255, 255, 255))
    draw.text((4, box[1] + 2), LABEL, fill=(0, 0, 0))


def _colour(chance: Random, least: int, most: int) -> tuple[int, int, int]:
    return chance.randint(least, most), chance.randint(least, most), chance.randint(least, most)


def _encoded(canvas: "Image", order: Order) -> Picture:
    file = BytesIO()
    canvas.save(file, _FORMATS[order.output_format or "png"])
    picture = find_picture(file.getvalue())
    assert picture is not None
    return picture
