"""What a client of the images routes gets: whole replies, and the events of a stream (OpenAI API reference, Images)."""

from collections.abc import Iterator, Sequence

import msgspec

from freetheai_gateway.domain.base64_pieces import encode_pieces, encoded_length
from freetheai_gateway.domain.images import Made, MadePicture, Operation, Picture
from freetheai_gateway.domain.usage import Usage
from freetheai_gateway.jsonc import encode

Object = dict[str, object]


class Base64(msgspec.Struct, frozen=True):
    """Bytes that stand in an answer as base64; they are encoded when they are sent."""

    data: bytes


Parts = Sequence[bytes | Base64]
"""An answer whose pictures are not encoded yet: they have megabytes."""

_STEM = {Operation.GENERATE: "image_generation", Operation.EDIT: "image_edit"}


def render_images(made: Made, model: str, created: int, urls: Sequence[str] = ()) -> Parts:
    """Render a whole reply, with `urls` in the place of the bytes where there are some."""
    first = made.pictures[0].picture
    head: Object = {"created": created, "model": model}
    tail: Object = {"output_format": first.extension, "size": str(first.size), **_usage(made.usage)}
    items = [_item(each, urls[index] if urls else "") for index, each in enumerate(made.pictures)]
    return _object(head, items, tail)


def render_job_reply(head: Object, items: Sequence[tuple[bytes | None, str, str]]) -> Parts:
    """Render a finished job: `head` and its results, each as bytes, else by its URL, with its revised prompt."""
    return _object(head, [_one(data, url, revised) for data, url, revised in items], {})


def render_partial(picture: Picture, index: int, operation: Operation, created: int) -> Parts:
    """Render one partial picture of a stream."""
    name = f"{_STEM[operation]}.partial_image"
    return _event(name, picture, {"partial_image_index": index, "created_at": created})


def render_completed(made: Made, operation: Operation, created: int) -> Parts:
    """Render the end of a stream, one event for each picture."""
    name = f"{_STEM[operation]}.completed"
    fields: Object = {"created_at": created, **_usage(made.usage)}
    return [part for each in made.pictures for part in _event(name, each.picture, fields)]


def length_of(parts: Parts) -> int:
    """Tell how many bytes the parts become."""
    return sum(encoded_length(len(part.data)) if isinstance(part, Base64) else len(part) for part in parts)


def pieces_of(parts: Parts) -> Iterator[bytes]:
    """Give the bytes, in pieces of which none takes long."""
    for part in parts:
        if isinstance(part, Base64):
            yield from encode_pieces(part.data)
        else:
            yield part


def _object(head: Object, items: Sequence[Parts], tail: Object) -> Parts:
    parts: list[bytes | Base64] = [encode(head)[:-1] + b',"data":[']
    for index, item in enumerate(items):
        parts += [b","] * (index > 0)
        parts += item
    return [*parts, b"]" + _more(tail) + b"}"]


def _item(made: MadePicture, url: str) -> Parts:
    return _one(made.picture.data, url, made.revised_prompt)


def _one(data: bytes | None, url: str, revised_prompt: str) -> Parts:
    more: Object = {"revised_prompt": revised_prompt} if revised_prompt else {}
    if url or data is None:
        return [encode({"url": url, **more})]
    return [b'{"b64_json":"', Base64(data), b'"' + _more(more) + b"}"]


def _more(fields: Object) -> bytes:
    """Render fields that follow others."""
    return b"," + encode(fields)[1:-1] if fields else b""


def _usage(usage: Usage) -> Object:
    if not usage.input_tokens and not usage.output_tokens:
        return {}
    return {
        "usage": {
            "input_tokens": usage.input_tokens,
            "output_tokens": usage.output_tokens,
            "total_tokens": usage.input_tokens + usage.output_tokens,
            "input_tokens_details": {"text_tokens": usage.input_tokens, "image_tokens": 0},
        }
    }


def _event(name: str, picture: Picture, fields: Object) -> Parts:
    own: Object = {
        "output_format": picture.extension,
        "size": str(picture.size),
        "background": "auto",
        "quality": "auto",
        **fields,
    }
    head = b"event: %b\ndata: %b" % (name.encode(), encode({"type": name})[:-1])
    return [head + b',"b64_json":"', Base64(picture.data), b'"' + _more(own) + b"}\n\n"]
