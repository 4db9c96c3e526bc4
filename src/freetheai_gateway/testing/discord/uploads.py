"""What Discord refuses of an upload: the form of the body, names, sizes, and files that are not what they say."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from email import message_from_bytes
from email.message import Message
from typing import Any

from freetheai_gateway.jsonc import decode_any
from freetheai_gateway.testing.discord.rules import Illegal

MOST_BYTES = 25 * 1024 * 1024
_LONGEST_DESCRIPTION = 1_024
_FILE = re.compile(r"files\[(\d+)\]")
_BEGINS = {
    "image/png": b"\x89PNG\r\n\x1a\n",
    "image/jpeg": b"\xff\xd8\xff",
    "image/webp": b"RIFF",
}


@dataclass(frozen=True, slots=True)
class Sent:
    """A file that was sent with a message."""

    filename: str
    media_type: str
    data: bytes
    description: str


def read_upload(body: bytes, content_type: str, most_bytes: int) -> tuple[dict[str, Any], list[Sent]]:
    """Read a form with `payload_json` and `files[n]`. Raises `Illegal`."""
    if len(body) > MOST_BYTES:
        raise Illegal("the request is larger than 25 MiB")
    whole = message_from_bytes(b"Content-Type: " + content_type.encode() + b"\r\n\r\n" + body)
    parts = [part for part in whole.walk() if part is not whole]
    payloads = [part for part in parts if _name(part) == "payload_json"]
    if not whole.is_multipart() or len(payloads) != 1 or payloads[0].get_content_type() != "application/json":
        raise Illegal("one payload_json, as application/json, is needed")
    payload = decode_any(_bytes(payloads[0]))
    if not isinstance(payload, dict):
        raise Illegal("payload_json must be an object")
    described = {each["id"]: each for each in payload.get("attachments", [])}
    files = [_file(part, described, most_bytes) for part in parts if part is not payloads[0]]
    if len(files) != len(described):
        raise Illegal("attachments and files differ")
    return payload, files


def _file(part: Message, described: Mapping[int, Mapping[str, Any]], most_bytes: int) -> Sent:
    named = _FILE.fullmatch(_name(part))
    filename, data = part.get_filename(), _bytes(part)
    if named is None or int(named[1]) not in described or not filename:
        raise Illegal(f"{_name(part)} is no file of attachments")
    attachment = described[int(named[1])]
    description = str(attachment.get("description", ""))
    if attachment.get("filename") != filename or len(description) > _LONGEST_DESCRIPTION:
        raise Illegal("attachments: filename, or a description of over 1024 characters")
    if len(data) > most_bytes:
        raise Illegal("the file is larger than attachment_size_limit")
    media_type = part.get_content_type()
    if not data.startswith(_BEGINS.get(media_type, b"")) or not filename.endswith(media_type.removeprefix("image/")):
        raise Illegal("the file is not what its name and type say")
    return Sent(filename, media_type, data, description)


def _name(part: Message) -> str:
    return str(part.get_param("name", "", header="content-disposition"))


def _bytes(part: Message) -> bytes:
    data = part.get_payload(decode=True)
    return data if isinstance(data, bytes) else b""
