"""Reading `POST /v1/images/generations` and `/v1/images/edits`, as JSON and as a form.

Sources: OpenAI API reference, Images; the published specification for `image` as a data URL and `background: true`.
"""

import re
from collections.abc import Mapping

import msgspec

from freetheai_gateway.dialects.openai_images.multipart import Part, find_boundary, read_parts
from freetheai_gateway.dialects.openai_images.pictures import PictureRules, read_picture, read_text_picture
from freetheai_gateway.dialects.raw_fields import read_object
from freetheai_gateway.domain.images import Operation, Order, Picture, Size
from freetheai_gateway.errors import InvalidRequest
from freetheai_gateway.jsonc import InvalidJSON, decode_any

MAX_PROMPT_CHARACTERS = 32_000
MAX_COUNT = 10
_MAX_PARTIAL_IMAGES = 3
_MAX_SIDE = 8_192
_HUNDRED = 100
_SIZE = re.compile(r"(\d{1,5})\s*[xX]\s*(\d{1,5})")
_FORMATS = {"png": "png", "jpeg": "jpeg", "jpg": "jpeg", "webp": "webp"}
_QUALITIES = {"low": "low", "medium": "medium", "standard": "medium", "high": "high", "hd": "high", "auto": ""}
_KNOWN = frozenset(
    {
        *("model", "prompt", "n", "size", "quality", "background", "async", "output_format", "output_compression"),
        *("moderation", "input_fidelity", "response_format", "stream", "partial_images", "user"),
        *("image", "image[]", "images", "mask", "mask[]"),
    }
)


class ImageLink(msgspec.Struct, frozen=True):
    """A picture that is somewhere else, where the gateway may fetch it."""

    url: str
    param: str


class ImageRequest(msgspec.Struct, frozen=True):
    """A request as the client sent it: the order, and how the answer is wanted.

    `links` are input pictures that must be fetched before the order is whole, `mask_link` the mask's.
    """

    model: str
    order: Order
    wants_url: bool = False
    streamed: bool = False
    in_background: bool = False
    links: tuple[ImageLink, ...] = ()


class _Reader:
    """Values of JSON, or of a form where all of them are text."""

    def __init__(self, values: Mapping[str, object], files: Mapping[str, list[bytes]]) -> None:
        self.values = values
        self.files = files

    def text(self, name: str) -> str:
        """Read a string; "" where it is absent, null."""
        value = self.values.get(name)
        if value is None:
            return ""
        if not isinstance(value, str):
            raise _wrong_type(name, "a string")
        return value

    def word(self, name: str, known: Mapping[str, str]) -> str:
        """Read one of some words; what is absent is ""."""
        word = self.text(name).strip().lower()
        if word and word not in known:
            raise InvalidRequest(f"{name} must be one of {', '.join(known)}.", code="invalid_value", param=name)
        return known[word] if word else ""

    def number(self, name: str, default: int, least: int, most: int) -> int:
        """Read a whole number within bounds."""
        value = self.values.get(name)
        if value is None or value == "":
            return default
        if isinstance(value, str) and value.strip().isdigit():
            value = int(value.strip()[:9])
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int):
            raise _wrong_type(name, "a whole number")
        if not least <= value <= most:
            raise InvalidRequest(f"{name} must be from {least} to {most}.", code="invalid_value", param=name)
        return value

    def flag(self, name: str) -> bool:
        """Read a boolean; a form's is text."""
        value = self.values.get(name)
        if value is None or value == "":
            return False
        if isinstance(value, str) and value.lower() in {"true", "false"}:
            return value.lower() == "true"
        if not isinstance(value, bool):
            raise _wrong_type(name, "a boolean")
        return value


def parse_request(body: bytes, content_type: str, operation: Operation, rules: PictureRules) -> ImageRequest:
    """Read a request. Raises `InvalidRequest`, `RequestTooLarge`."""
    boundary = find_boundary(content_type)
    reader = _read_json(body) if boundary is None else _read_form(read_parts(body, boundary))
    model, prompt = reader.text("model").strip(), reader.text("prompt")
    for name, value in (("model", model), ("prompt", prompt.strip())):
        if not value:
            raise _missing(name)
    if len(prompt) > MAX_PROMPT_CHARACTERS:
        raise InvalidRequest(f"prompt is longer than {MAX_PROMPT_CHARACTERS} characters.", param="prompt")
    pictures, mask, links = _inputs(reader, rules) if operation is Operation.EDIT else ((), None, ())
    background, in_background = _background(reader)
    order = Order(
        operation=operation,
        prompt=prompt,
        count=reader.number("n", 1, 1, MAX_COUNT),
        size=_size(reader.text("size").strip().lower()),
        quality=reader.word("quality", _QUALITIES),
        background=background,
        output_format=reader.word("output_format", _FORMATS),
        compression=reader.number("output_compression", _HUNDRED, 0, _HUNDRED)
        if reader.values.get("output_compression") is not None
        else None,
        moderation=reader.word("moderation", {"auto": "", "low": "low"}),
        fidelity=reader.word("input_fidelity", {"high": "high", "low": "low"}),
        partial_images=reader.number("partial_images", 0, 0, _MAX_PARTIAL_IMAGES),
        pictures=pictures,
        mask=mask,
        adjusted=tuple(sorted(name for name in reader.values if name not in _KNOWN)),
    )
    streamed = reader.flag("stream")
    if streamed and (in_background or reader.flag("async")):
        raise InvalidRequest("A background job can't be streamed; leave out stream.", param="stream")
    return ImageRequest(
        model=model,
        order=order,
        wants_url=reader.word("response_format", {"url": "url", "b64_json": ""}) == "url",
        streamed=streamed,
        in_background=in_background or reader.flag("async"),
        links=links,
    )


def _read_json(body: bytes) -> _Reader:
    fields = read_object(body)
    try:
        return _Reader({name: decode_any(value) for name, value in fields.items()}, {})
    except InvalidJSON as error:
        raise InvalidRequest(f"The request body is not JSON: {error}.", code="invalid_json") from None


def _read_form(parts: list[Part]) -> _Reader:
    files: dict[str, list[bytes]] = {}
    values: dict[str, object] = {}
    for part in parts:
        if part.is_file:
            files.setdefault(part.name.removesuffix("[]"), []).append(part.data)
        else:
            values[part.name] = part.text
    return _Reader(values, files)


def _background(reader: _Reader) -> tuple[str, bool]:
    """Tell apart the transparency, a word, from the wish for a job, a boolean."""
    value = reader.values.get("background")
    if isinstance(value, bool):
        return "", value
    if isinstance(value, str) and value.lower() in {"true", "false"}:
        return "", value.lower() == "true"
    return reader.word("background", {"auto": "", "transparent": "transparent", "opaque": "opaque"}), False


def _size(text: str) -> Size | None:
    if text in {"", "auto"}:
        return None
    match = _SIZE.fullmatch(text)
    size = Size(int(match[1]), int(match[2])) if match is not None else Size(0, 0)
    if not (1 <= size.width <= _MAX_SIDE and 1 <= size.height <= _MAX_SIDE):
        raise InvalidRequest(
            'size must be "auto" or width x height in pixels, such as "1024x1024".', code="invalid_value", param="size"
        )
    return size


def _inputs(reader: _Reader, rules: PictureRules) -> tuple[tuple[Picture, ...], Picture | None, tuple[ImageLink, ...]]:
    files = [read_picture(data, rules, "image") for data in reader.files.get("image", ())]
    masks = [read_picture(data, rules, "mask") for data in reader.files.get("mask", ())]
    links: list[ImageLink] = []
    for name in ("image", "image[]", "images"):
        for text in _references(reader.values.get(name), name):
            _take(text, name.removesuffix("[]"), rules, files, links)
    if len(files) + len(links) > rules.max_count:
        raise InvalidRequest(f"At most {rules.max_count} pictures can be edited at once.", param="image")
    if not files and not links:
        raise _missing("image")
    for text in _references(reader.values.get("mask"), "mask"):
        if _is_link(text):
            raise InvalidRequest("mask must be a data URL or a file.", param="mask")
        masks.append(read_text_picture(text, rules, "mask"))
    if len(masks) > 1:
        raise InvalidRequest("One mask at most can be given.", param="mask")
    if masks and files and masks[0].size != files[0].size:
        raise InvalidRequest(
            f"mask must have the size of the first image: {files[0].size}, not {masks[0].size}.", param="mask"
        )
    return tuple(files), masks[0] if masks else None, tuple(links)


def _take(text: str, param: str, rules: PictureRules, files: list[Picture], links: list[ImageLink]) -> None:
    if _is_link(text):
        links.append(ImageLink(text, param))
    else:
        files.append(read_text_picture(text, rules, param))


def _is_link(text: str) -> bool:
    return text[:8].lower().startswith(("http:", "https:", "ftp:", "file:", "//"))


def _references(value: object, name: str) -> list[str]:
    """Read the forms in which a picture is pointed at: a string, `{"image_url": …}`, or a list of these."""
    if value is None:
        return []
    found = []
    for each in value if isinstance(value, list) else [value]:
        reference = each
        if isinstance(reference, dict):
            if "file_id" in reference:
                raise InvalidRequest("Files by file_id are not kept here; send a data URL.", param=name)
            reference = reference.get("image_url", reference.get("url"))
        if isinstance(reference, dict):
            reference = reference.get("url")
        if not isinstance(reference, str) or not reference:
            raise InvalidRequest(f"{name} must be a data URL or an object with image_url.", param=name)
        found.append(reference)
    return found


def _missing(name: str) -> InvalidRequest:
    return InvalidRequest(f"Missing required field: {name}.", code="missing_required_parameter", param=name)


def _wrong_type(name: str, expected: str) -> InvalidRequest:
    return InvalidRequest(f"{name} must be {expected}.", code="invalid_type", param=name)
