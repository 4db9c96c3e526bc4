"""Input that is wrong or hostile, with fetching switched on: each a clear 400 or 413, nothing is fetched or made."""

import io
from base64 import b64encode
from collections.abc import Sequence
from pathlib import Path

import pytest
from PIL import Image

from freetheai_gateway.upstream.images.guarded_fetch import Fetched, GuardedFetcher, look_up
from tests.images.stage import Object, Stage, Vendors, read_object, settings_of
from tests.images.table import configuration, drawn

MODEL = "img/gpt-image-2"
PUBLIC, PRIVATE = "93.184.215.14", "10.0.0.1"
START = "https://pictures.example/a.png"


class Web:
    """What names answer, one look-up after the other, and what lies at addresses; every request is kept."""

    def __init__(self, *answers: str, pages: dict[str, Fetched] | None = None) -> None:
        self._answers = list(answers)
        self._pages = pages or {}
        self.fetched: list[str] = []

    async def resolve(self, host: str) -> Sequence[str]:
        """Give the next answer; without one the system's own, which knows literal addresses."""
        return [self._answers.pop(0)] if self._answers else await look_up(host)

    async def get(self, url: str, addresses: Sequence[str], max_bytes: int) -> Fetched:
        """Give what lies there."""
        assert set(addresses) == {PUBLIC}
        self.fetched.append(url)
        return self._pages[url]


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    text = configuration().replace("[images]", "[images]\nfetch_input_urls = true", 1)
    return Stage(settings_of(text, tmp_path), Vendors(drawn()))


def connect(stage: Stage, web: Web) -> None:
    """Put a web in the place of the real one; the guard stays."""
    assert isinstance(stage.services.images._fetcher, GuardedFetcher)
    stage.services.images._fetcher = GuardedFetcher(1_000_000, resolve=web.resolve, get=web.get)


async def refused(stage: Stage, path: str, fields: Object) -> tuple[int, str, str]:
    """Ask; returns status, code and message of the refusal. Nothing went to a provider, and no slot is held."""
    answer = await stage.post(stage.member("bad"), path, fields)
    error = read_object(answer.body)["error"]
    assert isinstance(error, dict)
    assert (stage.vendors.requests, stage.limiter.running) == ([], 0)
    return answer.status, error["code"], error["message"]


def png_url(data: bytes) -> str:
    """Write bytes as a data URL."""
    return "data:image/png;base64," + b64encode(data).decode()


def bomb() -> bytes:
    """Draw fifty million pixels in ten kilobytes."""
    file = io.BytesIO()
    Image.new("1", (10_000, 5_000)).save(file, "PNG", compress_level=9)
    assert len(file.getvalue()) < 12_000
    return file.getvalue()


GOOD = drawn().data_url
CASES: dict[str, tuple[str, Object, int, str]] = {
    "no prompt": ("generations", {"prompt": None}, 400, "missing_required_parameter"),
    "blank prompt": ("generations", {"prompt": "  "}, 400, "missing_required_parameter"),
    "unknown model": ("generations", {"model": "img/gpt-image2"}, 400, "model_not_found"),
    "edit on a generator": ("edits", {"model": "vhr/flux_dev", "image": GOOD}, 400, "route_not_supported"),
    "no image": ("edits", {}, 400, "missing_required_parameter"),
    "no picture": ("edits", {"image": png_url(b"<html>")}, 400, "invalid_image"),
    "bomb": ("edits", {"image": png_url(bomb())}, 413, "image_too_large"),
    "cut base64": ("edits", {"image": GOOD[:-5]}, 400, "invalid_image"),
    "cut picture": ("edits", {"image": png_url(drawn().data[:-20])}, 400, "invalid_image"),
    "file id": ("edits", {"images": [{"file_id": "file-1"}]}, 400, "invalid_request_error"),
    "mask of another size": (
        "edits",
        {"image": GOOD, "mask": png_url(drawn().data[:16] + b"\0\0\0\1" * 2 + drawn().data[24:])},
        400,
        "invalid_request_error",
    ),
    "metadata service": ("edits", {"image": "http://169.254.169.254/"}, 400, "image_url_not_supported"),
    "metadata service, https": ("edits", {"image": "https://169.254.169.254/"}, 400, "image_url_not_supported"),
    "mapped loopback": ("edits", {"image": "http://[::ffff:127.0.0.1]/"}, 400, "image_url_not_supported"),
    "mapped loopback, https": ("edits", {"image": "https://[::ffff:127.0.0.1]/"}, 400, "image_url_not_supported"),
    "file of the server": ("edits", {"image": "file:///etc/passwd"}, 400, "image_url_not_supported"),
    "another port": ("edits", {"image": "https://pictures.example:6379/"}, 400, "image_url_not_supported"),
}


@pytest.mark.parametrize("name", CASES)
async def test_request_when_its_input_is_bad_then_it_is_refused_and_nothing_is_fetched(stage: Stage, name: str) -> None:
    """The whole list, with fetching on."""
    path, change, status, code = CASES[name]
    web = Web()
    connect(stage, web)
    told = await refused(stage, path, {"model": MODEL, "prompt": "Cleaner"} | change)
    assert told[:2] == (status, code), told
    assert web.fetched == []


@pytest.mark.parametrize(
    "location", ["https://127.0.0.1/", "http://127.0.0.1:8000/admin", "https://[::1]/", "//localhost/", "file:///x"]
)
async def test_redirect_when_it_leads_inside_then_it_is_not_followed(stage: Stage, location: str) -> None:
    """Only the first hop was asked."""
    web = Web(PUBLIC, pages={START: Fetched(302, location)})
    connect(stage, web)
    status, code, _ = await refused(stage, "edits", {"model": MODEL, "prompt": "Cleaner", "image": START})
    assert (status, code, web.fetched) == (400, "image_url_not_supported", [START])


async def test_name_when_its_second_look_up_is_private_then_that_is_not_connected_to(stage: Stage) -> None:
    """The first hop was pinned to what the first look-up said."""
    web = Web(PUBLIC, PRIVATE, pages={START: Fetched(302, "/b.png")})
    connect(stage, web)
    status, code, _ = await refused(stage, "edits", {"model": MODEL, "prompt": "Cleaner", "image": START})
    assert (status, code, web.fetched) == (400, "image_url_not_supported", [START])


async def test_picture_when_its_address_is_public_then_it_is_edited(stage: Stage) -> None:
    """That is what fetching is for."""
    connect(stage, Web(PUBLIC, pages={START: Fetched(200, body=drawn().data)}))
    answer = await stage.post(
        stage.member("good"), "edits", {"model": MODEL, "prompt": "Cleaner", "images": [{"image_url": START}]}
    )
    assert answer.status == 200
    assert drawn().data in stage.vendors.requests[0].body
