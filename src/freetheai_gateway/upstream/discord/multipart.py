"""A message with files as Discord takes it: `payload_json` and `files[n]` (documentation, "Uploading files")."""

from collections.abc import Mapping, Sequence
from secrets import token_hex

from freetheai_gateway.jsonc import encode
from freetheai_gateway.services.key_desk.ports import Upload


def render_form(message: Mapping[str, object], files: Sequence[Upload]) -> tuple[bytes, bytes]:
    """Render a body with its content type. Names and media types are our own, so that nothing needs quoting."""
    attachments = [
        {"id": number, "filename": file.filename, "description": file.description} for number, file in enumerate(files)
    ]
    parts = [
        _part('name="payload_json"', "application/json", encode({**message, "attachments": attachments})),
        *(
            _part(f'name="files[{number}]"; filename="{file.filename}"', file.media_type, file.data)
            for number, file in enumerate(files)
        ),
    ]
    boundary = token_hex(16).encode()
    body = b"".join(b"--" + boundary + b"\r\n" + part + b"\r\n" for part in parts) + b"--" + boundary + b"--\r\n"
    return body, b"multipart/form-data; boundary=" + boundary


def _part(disposition: str, media_type: str, data: bytes) -> bytes:
    return f"Content-Disposition: form-data; {disposition}\r\nContent-Type: {media_type}\r\n\r\n".encode() + data
