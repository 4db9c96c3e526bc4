"""What a client of the images routes gets: whole replies, and the events of a stream (OpenAI API reference, Images)."""

from base64 import b64encode
from collections.abc import Sequence

from freetheai_gateway.domain.images import Made, MadePicture, Operation, Picture
from freetheai_gateway.domain.usage import Usage
from freetheai_gateway.jsonc import encode

Object = dict[str, object]
_STEM = {Operation.GENERATE: "image_generation", Operation.EDIT: "image_edit"}


def render_images(made: Made, model: str, created: int, urls: Sequence[str] = ()) -> Object:
    """Render a whole reply, with `urls` in the place of the bytes where there are some."""
    first = made.pictures[0].picture
    return {
        "created": created,
        "model": model,
        "data": [_item(each, urls[index] if urls else "") for index, each in enumerate(made.pictures)],
        "output_format": first.extension,
        "size": str(first.size),
        **_usage(made.usage),
    }


def render_partial(picture: Picture, index: int, operation: Operation, created: int) -> bytes:
    """Render one partial picture of a stream."""
    name = f"{_STEM[operation]}.partial_image"
    return _event(name, {"partial_image_index": index, **_bytes(picture), "created_at": created})


def render_completed(made: Made, operation: Operation, created: int) -> bytes:
    """Render the end of a stream, one event for each picture."""
    name = f"{_STEM[operation]}.completed"
    usage = _usage(made.usage)
    return b"".join(_event(name, {**_bytes(each.picture), "created_at": created, **usage}) for each in made.pictures)


def _item(made: MadePicture, url: str) -> Object:
    item: Object = {"url": url} if url else {"b64_json": b64encode(made.picture.data).decode()}
    return item | ({"revised_prompt": made.revised_prompt} if made.revised_prompt else {})


def _bytes(picture: Picture) -> Object:
    return {
        "b64_json": b64encode(picture.data).decode(),
        "output_format": picture.extension,
        "size": str(picture.size),
        "background": "auto",
        "quality": "auto",
    }


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


def _event(name: str, fields: Object) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (name.encode(), encode({"type": name, **fields}))
