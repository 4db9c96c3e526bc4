"""Style sheets, scripts and pictures of the pages: read once, kept by browsers for a year.

An address names the version of all of them together, so that a script imports another one by its plain name and gets
the same version of it.
"""

import gzip
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path

from freetheai_gateway.errors import NotFound
from freetheai_gateway.web.request import Request
from freetheai_gateway.web.response import Response

_FOLDER = Path(__file__).with_name("static")
_TYPES = {
    ".css": b"text/css; charset=utf-8",
    ".js": b"text/javascript; charset=utf-8",
    ".svg": b"image/svg+xml",
}
_YEAR = b"public, max-age=31536000, immutable"
_ASK_AGAIN = b"no-cache"


@dataclass(frozen=True, slots=True)
class Asset:
    """One file, as it is and packed."""

    content_type: bytes
    plain: bytes
    packed: bytes


@cache
def read_assets() -> dict[str, Asset]:
    """Read every file of the folder, by its name."""
    return {path.name: _read(path) for path in sorted(_FOLDER.iterdir()) if path.suffix in _TYPES}


def _read(path: Path) -> Asset:
    plain = path.read_bytes()
    return Asset(_TYPES[path.suffix], plain, gzip.compress(plain, mtime=0))


@cache
def version() -> str:
    """Name what all files hold now."""
    digest = sha256()
    for name, asset in read_assets().items():
        digest.update(name.encode() + b"\0" + asset.plain)
    return digest.hexdigest()[:12]


def asset_url(name: str) -> str:
    """Give the address of a file in its present version. Raises `KeyError` for a name that is not there."""
    _ = read_assets()[name]
    return f"/assets/{version()}/{name}"


def accepts_gzip(request: Request) -> bool:
    """Whether the client takes gzip (RFC 9110 section 12.5.3); `q=0` means that it does not."""
    for offer in request.header(b"accept-encoding").lower().split(b","):
        coding, _, weight = offer.replace(b" ", b"").partition(b";")
        if coding in {b"gzip", b"*"}:
            return weight.rstrip(b"0.") != b"q="
    return False


async def serve_asset(request: Request, response: Response) -> None:
    """Answer `GET /assets/{version}/{name}`; another version gets this one, unkept. Raises `NotFound`."""
    asked, _, name = request.params["name"].rpartition("/")
    asset = read_assets().get(name)
    if asset is None:
        raise NotFound("There is no such file.")
    etag = b'"%b"' % version().encode()
    headers = (
        (b"content-type", asset.content_type),
        (b"cache-control", _YEAR if asked == version() else _ASK_AGAIN),
        (b"etag", etag),
        (b"vary", b"accept-encoding"),
        (b"x-content-type-options", b"nosniff"),
    )
    if request.header(b"if-none-match") == etag:
        await response.send_empty(304, headers[1:])
    elif accepts_gzip(request):
        await response.send_whole(200, (*headers, (b"content-encoding", b"gzip")), asset.packed)
    else:
        await response.send_whole(200, headers, asset.plain)
