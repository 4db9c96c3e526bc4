"""What is asked of an image model and what it gives: neutral values between clients and providers. No I/O."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from math import sqrt

import msgspec

from freetheai_gateway.domain.base64_pieces import encode_pieces
from freetheai_gateway.domain.usage import Usage


class Operation(StrEnum):
    """What is done with a prompt; the values are the features of a model in the catalogue."""

    GENERATE = "generate"
    EDIT = "edit"


class Size(msgspec.Struct, frozen=True):
    """Width and height in pixels."""

    width: int
    height: int

    @property
    def pixels(self) -> int:
        """The area."""
        return self.width * self.height

    def __str__(self) -> str:
        """Give the form of OpenAI's `size`."""
        return f"{self.width}x{self.height}"


class Picture(msgspec.Struct, frozen=True):
    """A picture whose type and size were read from its own bytes, never from what someone said of it."""

    data: bytes
    media_type: str
    size: Size

    @property
    def extension(self) -> str:
        """The end of a file's name: `png`, `jpeg` or `webp`."""
        return self.media_type.removeprefix("image/")

    @property
    def base64(self) -> str:
        """The bytes as base64."""
        return b"".join(encode_pieces(self.data)).decode()

    @property
    def data_url(self) -> str:
        """The picture as an address that holds it (RFC 2397)."""
        return f"data:{self.media_type};base64,{self.base64}"


@dataclass(frozen=True, slots=True)
class Order:
    """One request for pictures. `None` and "" stand for what the client left open.

    `adjusted` are fields that were changed or left out already, by their names.
    """

    operation: Operation
    prompt: str = field(repr=False)
    count: int = 1
    size: Size | None = None
    quality: str = ""
    background: str = ""
    """`transparent` or `opaque`."""
    output_format: str = ""
    compression: int | None = None
    moderation: str = ""
    fidelity: str = ""
    partial_images: int = 0
    pictures: tuple[Picture, ...] = field(default=(), repr=False)
    mask: Picture | None = field(default=None, repr=False)
    adjusted: tuple[str, ...] = ()

    def with_picture(self, picture: Picture) -> "Order":
        """Give the order with one input more."""
        return replace(self, pictures=(*self.pictures, picture))

    def said(self, *names: str) -> tuple[str, ...]:
        """Give those of these fields of OpenAI's image API that the order says something in, for `Made.adjusted`."""
        is_said = {
            "size": self.size is not None,
            "quality": self.quality != "",
            "background": self.background != "",
            "output_format": self.output_format != "",
            "output_compression": self.compression is not None,
            "moderation": self.moderation != "",
            "input_fidelity": self.fidelity != "",
            "mask": self.mask is not None,
        }
        return tuple(name for name in names if is_said[name])


class MadePicture(msgspec.Struct, frozen=True):
    """One picture that a provider made."""

    picture: Picture
    revised_prompt: str = ""


class Made(msgspec.Struct, frozen=True):
    """What a provider made. `adjusted` names the fields of the order that it could not follow to the letter."""

    pictures: tuple[MadePicture, ...]
    usage: Usage = Usage()
    adjusted: tuple[str, ...] = ()


RATIOS = ("1:1", "2:3", "3:2", "3:4", "4:3", "4:5", "5:4", "9:16", "16:9", "21:9")
"""Aspect ratios that providers know by name."""


def nearest_ratio(size: Size, ratios: Sequence[str] = RATIOS) -> str:
    """Find the named aspect ratio that is nearest to a size, by factor."""

    def distance(ratio: str) -> float:
        across, down = (int(part) for part in ratio.split(":"))
        factor = (size.width / size.height) / (across / down)
        return max(factor, 1 / factor)

    return min(ratios, key=distance)


class SizeRules(msgspec.Struct, frozen=True, kw_only=True):
    """Which sizes a model takes, in pixels: sides in multiples of `step`, an area, lengths and a ratio of sides."""

    step: int
    least: int
    most: int
    shortest: int = 1
    longest: int = 65_535
    ratio: float = 65_535.0


def fit(size: Size, rules: SizeRules) -> Size:
    """Find the size that a model takes and that is near to this one; one that it takes stays."""
    ratio = min(rules.ratio, rules.longest / rules.shortest)
    long = max(size.width, size.height)
    short = max(min(size.width, size.height), long / ratio)
    scale = min(max(1.0, sqrt(rules.least / (long * short))), sqrt(rules.most / (long * short)))
    scale = min(max(scale, rules.shortest / short), rules.longest / long)
    step = rules.step
    long, short = _tidied(_round(long * scale, step), _round(short * scale, step), rules, ratio)
    return Size(long, short) if size.width >= size.height else Size(short, long)


def _tidied(long: int, short: int, rules: SizeRules, ratio: float) -> tuple[int, int]:
    """Mend what rounding to steps broke, step by step: lengthen the shorter side, shorten the longer one."""
    step, is_square = rules.step, long == short
    while long * short < rules.least or short < rules.shortest or long > short * ratio:
        short += step
        long = max(long, short) if is_square else long
    while long * short > rules.most or long > rules.longest:
        long -= step
        short = long if is_square else short
    return max(long, short), min(long, short)


def _round(length: float, step: int) -> int:
    return max(step, round(length / step) * step)
