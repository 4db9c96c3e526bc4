"""Pictures that a chat request only points at, in the three dialects of clients: finding them, and putting bytes there.

Looked at are the parts of messages alone, never a tool's schema or arguments. Sources: the API references of Chat
Completions (`image_url`), Messages (`image` with a `url` source) and Responses (`input_image`).
"""

from collections.abc import Callable, Iterator, Mapping

from freetheai_gateway.domain.images import Picture
from freetheai_gateway.jsonc import decode_any, encode, encode_raw, read_fields

Object = dict[str, object]
Write = Callable[[Picture], None]
_MARKS = (b'"image_url"', b'"image"', b'"input_image"', b"\\u")
"""One of these stands in every request with a picture; names may be written with escapes."""
_FIELDS = ("messages", "input", "system")
_INSIDE = ("content", "output")


def may_hold_pictures(body: bytes) -> bool:
    """Whether a request may hold a picture at all: a search for a few words, no parsing."""
    return any(mark in body for mark in _MARKS)


def find_links(body: bytes, is_foreign: Callable[[str], bool]) -> list[str]:
    """List the addresses of pictures, each once, that `is_foreign` says must not go on. Raises `InvalidJSON`."""
    found: dict[str, None] = {}
    for name, value in read_fields(body).items():
        if name in _FIELDS:
            found.update((url, None) for url, _ in _links(decode_any(value)) if is_foreign(url))
    return list(found)


def with_pictures(body: bytes, pictures: Mapping[str, Picture]) -> bytes:
    """Put pictures in the place of their addresses; what else the request says stays as it is."""
    fields = read_fields(body)
    for name in _FIELDS:
        if name in fields:
            value = decode_any(fields[name])
            for url, write in list(_links(value)):
                if url in pictures:
                    write(pictures[url])
            fields[name] = encode_raw(value)
    return encode(fields)


def _links(value: object) -> Iterator[tuple[str, Write]]:
    """Walk messages and their parts; deeper only where parts hold parts."""
    waiting = [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, list):
            waiting += each
        elif isinstance(each, dict):
            found = _link(each)
            if found is not None:
                yield found
            waiting += [each[name] for name in _INSIDE if isinstance(each.get(name), list)]


def _link(part: Object) -> tuple[str, Write] | None:
    """Read the address in one part, with what writes a picture there."""
    match part:
        case {"type": "image_url", "image_url": {"url": str(url)}}:
            inner = part["image_url"]
            assert isinstance(inner, dict)
            return url, lambda picture: inner.update(url=picture.data_url)
        case {"type": "image_url" | "input_image", "image_url": str(url)}:
            return url, lambda picture: part.update(image_url=picture.data_url)
        case {"type": "image", "source": {"type": "url", "url": str(url)}}:
            return url, lambda picture: part.update(source=_source(picture))
    return None


def _source(picture: Picture) -> Object:
    return {"type": "base64", "media_type": picture.media_type, "data": picture.base64}
