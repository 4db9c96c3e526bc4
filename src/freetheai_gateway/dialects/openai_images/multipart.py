"""`multipart/form-data` (RFC 7578) of a body that is there as a whole and within the edge's cap.

A parser for streams (python-multipart) would copy every file once more; here a part is found by its delimiter.
"""

import re
from collections.abc import Iterator

import msgspec

from freetheai_gateway.errors import InvalidRequest

_BOUNDARY = re.compile(
    r'multipart/form-data\s*;(?:.*;)?\s*boundary=(?:"([^"\r\n]{1,70})"|([^\s;"]{1,70}))', re.IGNORECASE
)
_NAME = re.compile(rb'content-disposition:\s*form-data\s*;(?:[^\r\n]*;)?\s*name="([^"\r\n]{1,100})"', re.IGNORECASE)
_IS_FILE = re.compile(rb"content-disposition:[^\r\n]*;\s*filename\*?=", re.IGNORECASE)
_MAX_PARTS = 64
_MAX_HEAD_BYTES = 4_096
_MAX_TEXT_BYTES = 256 * 1024


class Part(msgspec.Struct, frozen=True):
    """One field of a form."""

    name: str
    data: bytes
    is_file: bool

    @property
    def text(self) -> str:
        """The value of a field that is text. Raises `InvalidRequest`."""
        if len(self.data) > _MAX_TEXT_BYTES:
            raise InvalidRequest(f"{self.name} is too long.", param=self.name)
        try:
            return self.data.decode()
        except UnicodeDecodeError:
            raise InvalidRequest(f"{self.name} is not UTF-8 text.", code="invalid_type", param=self.name) from None


def find_boundary(content_type: str) -> bytes | None:
    """Find the boundary of a form; `None` where the content type is no form's."""
    match = _BOUNDARY.match(content_type)
    return (match[1] or match[2]).encode("latin-1", "replace") if match is not None else None


def read_parts(body: bytes, boundary: bytes) -> list[Part]:
    """Split a form. Raises `InvalidRequest` where it is broken, has too many parts or ends too early."""
    return list(_parts(body, boundary))


def _parts(body: bytes, boundary: bytes) -> Iterator[Part]:
    delimiter = b"\r\n--" + boundary
    if body.startswith(delimiter[2:]):
        at = len(delimiter) - 2
    else:
        at = body.find(delimiter)
        if at < 0:
            raise _broken("its boundary is not found")
        at += len(delimiter)
    for _ in range(_MAX_PARTS):
        if body.startswith(b"--", at):
            return
        start = body.find(b"\r\n", at, at + 200)
        end = body.find(delimiter, start)
        if start < 0 or end < 0:
            raise _broken("it ends too early")
        yield _part(body, start, end)
        at = end + len(delimiter)
    raise _broken(f"it has more than {_MAX_PARTS} parts")


def _part(body: bytes, start: int, end: int) -> Part:
    split = body.find(b"\r\n\r\n", start, min(end, start + _MAX_HEAD_BYTES))
    if split < 0:
        raise _broken("a part has no head")
    head = body[start:split]
    name = _NAME.search(head)
    if name is None:
        raise _broken("a part has no name")
    return Part(name[1].decode("utf-8", "replace"), body[split + 4 : end], _IS_FILE.search(head) is not None)


def _broken(why: str) -> InvalidRequest:
    return InvalidRequest(f"The multipart form can't be read: {why}.", code="invalid_multipart")
