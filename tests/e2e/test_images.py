"""The image routes on a machine without keys: `local/sketch` through the real server process."""

import io
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest
import requests
from PIL import Image

from freetheai_gateway.jsonc import Decoder
from tests.e2e.gateway import Gateway, Key, eventually
from tests.e2e.pictures import GENERATE_ONLY, PROMPT, SKETCH, png, size_of
from tests.e2e.samples import run_sample, samples_of

JsonObject = dict[str, Any]
_read: Decoder[JsonObject] = Decoder(JsonObject)


@pytest.fixture(scope="module")
def keys(image_gateway: Gateway) -> dict[str, Key]:
    return image_gateway.create_keys({"first": None, "second": None})


def data_url(data: bytes) -> str:
    """Write a picture as the specification's clients do."""
    return "data:image/png;base64," + b64encode(data).decode()


def post(gateway: Gateway, key: Key, path: str, body: JsonObject) -> requests.Response:
    """Send JSON."""
    return requests.post(f"{gateway.url}/images/{path}", json=body, headers=key.bearer, timeout=20)


def test_edit_when_sent_as_a_data_url_then_it_has_the_size_of_the_input(
    image_gateway: Gateway, keys: dict[str, Key]
) -> None:
    """The specification's form of an edit."""
    reply = post(image_gateway, keys["first"], "edits", {"model": SKETCH, "prompt": PROMPT, "image": data_url(png())})
    assert reply.status_code == 200, reply.text
    assert size_of(reply.json()["data"][0]["b64_json"]) == (40, 30)


def test_url_when_asked_for_then_it_needs_no_key_and_a_changed_one_is_refused(
    image_gateway: Gateway, keys: dict[str, Key]
) -> None:
    """Signed addresses of the gateway's own."""
    body: JsonObject = {"model": SKETCH, "prompt": PROMPT, "response_format": "url", "size": "64x64"}
    (item,) = post(image_gateway, keys["first"], "generations", body).json()["data"]
    path = item["url"].partition("/v1/")[2]
    picture = requests.get(f"{image_gateway.url}/{path}", timeout=10)
    assert picture.headers["content-type"] == "image/png"
    with Image.open(io.BytesIO(picture.content)) as image:
        assert image.size == (64, 64)
    for wrong in (path.replace("expires=1", "expires=2"), path[:-1] + "?", path.replace("img_", "img_f")):
        assert requests.get(f"{image_gateway.url}/{wrong}", timeout=10).status_code == 404
    crowded = requests.get(f"{image_gateway.url}/{path}{'&a=1' * 50}", timeout=10)
    assert (crowded.status_code, crowded.json()["error"]["message"]) == (400, "The query has more than 20 fields.")


def test_job_when_asked_for_then_only_its_account_gets_the_result(image_gateway: Gateway, keys: dict[str, Key]) -> None:
    """202 with an id, then the reply; another account sees nothing; no prompt lies on the disk."""
    begun = post(image_gateway, keys["first"], "generations", {"model": SKETCH, "prompt": PROMPT, "background": True})
    assert begun.status_code == 202
    url = f"{image_gateway.url}/images/generations/{begun.json()['id']}"
    assert begun.headers["location"] == f"/v1/images/generations/{begun.json()['id']}"

    def ended() -> bool:
        return requests.get(url, headers=keys["first"].bearer, timeout=10).status_code == 200

    eventually(ended, "the job ends")
    job = requests.get(url, headers=keys["first"].bearer, timeout=10).json()
    assert (job["object"], job["status"]) == ("image.job", "completed")
    assert size_of(job["data"][0]["b64_json"]) == (512, 512)
    assert requests.get(url, headers=keys["second"].bearer, timeout=10).status_code == 404


@pytest.mark.parametrize(
    ("path", "change", "refused"),
    [
        ("generations", {"prompt": None}, (400, "Missing required field: prompt")),
        ("generations", {"model": "local/skech"}, (400, "Did you mean local/sketch")),
        ("generations", {"size": "huge"}, (400, "size must be")),
        ("generations", {"n": 11}, (400, "n must be from 1 to 10")),
        ("edits", {"model": GENERATE_ONLY, "image": data_url(png())}, (400, "Models that do: local/sketch")),
        ("edits", {}, (400, "Missing required field: image")),
        ("edits", {"image": data_url(b"not a picture")}, (400, "not a PNG, JPEG or WebP")),
        ("edits", {"image": data_url(png())[:-9]}, (400, "not valid base64")),
        ("edits", {"image": data_url(png()[:-20])}, (400, "ends before the picture does")),
        ("edits", {"image": "http://169.254.169.254/latest"}, (400, "fetches none")),
        ("edits", {"image": "http://[::ffff:127.0.0.1]/"}, (400, "fetches none")),
    ],
)
def test_request_when_it_is_wrong_then_it_says_what(
    image_gateway: Gateway, keys: dict[str, Key], path: str, change: JsonObject, refused: tuple[int, str]
) -> None:
    """Each a sentence that names the mend."""
    reply = post(image_gateway, keys["first"], path, {"model": SKETCH, "prompt": PROMPT} | change)
    assert reply.status_code == refused[0]
    assert refused[1] in reply.json()["error"]["message"]


def test_bomb_when_sent_in_then_its_header_alone_refuses_it(image_gateway: Gateway, keys: dict[str, Key]) -> None:
    """A PNG of a few kilobytes that would unpack to fifty million pixels."""
    file = io.BytesIO()
    Image.new("1", (10_000, 5_000)).save(file, "PNG", compress_level=9)
    assert len(file.getvalue()) < 20_000
    body: JsonObject = {"model": SKETCH, "prompt": PROMPT, "image": data_url(file.getvalue())}
    reply = post(image_gateway, keys["first"], "edits", body)
    assert (reply.status_code, reply.json()["error"]["code"]) == (413, "image_too_large")


def test_samples_of_pictures_when_pasted_as_the_docs_show_them_then_they_draw_and_edit(
    image_gateway: Gateway, keys: dict[str, Key], tmp_path: Path
) -> None:
    """The program saves the picture that the edit is made of."""
    shown = samples_of(image_gateway, "/docs")
    for name in ("generate-python", "generate-curl", "edit-curl"):
        assert SKETCH in shown[name]
        done = run_sample(name, shown[name], keys["first"], tmp_path)
        assert done.returncode == 0, done.stderr
        if name.endswith("curl"):
            assert size_of(_read(done.stdout.encode())["data"][0]["b64_json"]) == (512, 512)
    with Image.open(tmp_path / "lighthouse.png") as image:
        assert image.size == (512, 512)
