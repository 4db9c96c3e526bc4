"""Background jobs of generations and edits, and the limits that hold for pictures of either kind."""

import asyncio
from pathlib import Path

import pytest

from freetheai_gateway.testing.image_vendors import FalVendor
from freetheai_gateway.testing.ports import Pause
from tests.images.stage import Object, Stage, Vendors, form, read_object, settings_of
from tests.images.table import configuration, drawn

MODEL = "img/gpt-image-2"
FAL = "also/flux_dev"
CANARY = "canary-prompt-77: a lighthouse"


def fields(**more: object) -> Object:
    """Ask for a picture in the background."""
    return {"model": MODEL, "prompt": CANARY, "background": True, **more}


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    text = configuration().replace("concurrency = 1\n", "concurrency = 1\nimage_cooldown_s = 30\n", 1)
    return Stage(settings_of(text.replace("minimum_tier = 3", "minimum_tier = 1"), tmp_path), Vendors(drawn()))


def everything_in(folder: Path) -> bytes:
    """Read every file below a folder."""
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("how", ["JSON", "multipart"])
async def test_edit_when_it_is_a_job_then_only_its_account_sees_it_and_its_prompt_is_nowhere(
    stage: Stage, tmp_path: Path, how: str
) -> None:
    """As a generation is; `async` says the same as `background`."""
    key, other = stage.member("one"), stage.member("other")
    if how == "JSON":
        begun = await stage.post(key, "edits", fields(image=drawn().data_url))
    else:
        words: Object = {"model": MODEL, "prompt": CANARY, "async": True}
        begun = await stage.post(key, "edits", *form(words, [("image", drawn())]))
    assert begun.status == 202
    job = read_object(begun.body)
    assert begun.headers[b"location"] == f"/v1/images/generations/{job['id']}".encode()
    done = await stage.ended_job(key, begun)
    assert (done["status"], done["object"], done["model"]) == ("completed", "image.job", MODEL)
    assert stage.vendors.requests[0].target == "/v1/images/edits"
    for asking in (other, stage.member("third")):
        assert (await stage.get(asking, f"generations/{job['id']}")).status == 404
    assert CANARY.encode() not in everything_in(tmp_path)


@pytest.mark.parametrize("unknown", ["job_0123456789ABCDEF", "../freetheai.toml", "job_", "%00", "job_" + "A" * 500])
async def test_job_when_there_is_none_of_the_name_then_404(stage: Stage, unknown: str) -> None:
    """Whatever the name tries."""
    assert (await stage.get(stage.member("one"), f"generations/{unknown}")).status == 404


async def test_job_when_the_server_stops_then_it_has_failed_and_the_next_server_says_so(
    stage: Stage, tmp_path: Path
) -> None:
    """At once where it could still be written; the slot is free and the record says 503."""
    stage.vendors.fakes["api.openai.com"].hold = pause = Pause()
    key = stage.member("one")
    begun = await stage.post(key, "generations", fields())
    await pause.reached.wait()
    asked = f"generations/{read_object(begun.body)['id']}"
    assert (await stage.get(key, asked)).status == 202
    await stage.services.jobs.aclose()
    failed = await stage.get(key, asked)
    told = read_object(failed.body)
    assert (failed.status, told["status"]) == (200, "failed")
    assert isinstance(told["error"], dict)
    assert told["error"]["code"] == "restarting"
    assert (stage.limiter.running, [record.status for record in stage.ledger.records]) == (0, [503])
    assert CANARY.encode() not in everything_in(tmp_path)


async def test_job_when_it_is_done_then_another_process_gives_its_picture(stage: Stage) -> None:
    """All that is known of it lies in the directory that they share."""
    key = stage.member("one")
    done = await stage.ended_job(key, await stage.post(key, "generations", fields()))
    other = Stage(stage.settings, Vendors(drawn()))
    other.adopt(stage)
    again = await other.get(key, f"generations/{done['id']}")
    assert read_object(again.body) == done


async def test_job_when_the_client_wants_an_address_then_it_gets_one_that_holds_the_picture(stage: Stage) -> None:
    """Of a model that gives any."""
    key = stage.member("one")
    begun = await stage.post(key, "generations", fields(model="vhr/flux_dev", response_format="url"))
    data = (await stage.ended_job(key, begun))["data"]
    assert isinstance(data, list)
    file = await stage.get(key, data[0]["url"].partition("/v1/images/")[2])
    assert (file.status, file.body) == (200, drawn().data)


async def test_client_when_it_leaves_then_the_providers_job_is_cancelled_and_no_picture_counts(stage: Stage) -> None:
    """Where the provider's API can."""
    fal = stage.vendors.fakes["queue.fal.run"]
    assert isinstance(fal, FalVendor)
    fal.mood = "endless"
    work = asyncio.ensure_future(stage.post(stage.member("one"), "generations", {"model": FAL, "prompt": CANARY}))
    await fal.looked_thrice.wait()
    work.cancel()
    await asyncio.wait({work})
    assert (fal.requests[-1].method, fal.requests[-1].target.rpartition("/")[2]) == ("PUT", "cancel")
    assert [(record.status, record.images) for record in stage.ledger.records] == [(503, 0)]


async def test_cooldown_when_a_tier_has_one_then_the_next_request_for_images_is_told_when_to_come(stage: Stage) -> None:
    """Whether it is a job or not; a refusal by the provider costs none."""
    key = stage.member("cools", tier=1)
    stage.vendors.fakes["api.openai.com"].mood = "moderated"
    plain: Object = {"model": MODEL, "prompt": CANARY}
    assert (await stage.post(key, "generations", plain)).status == 400
    stage.vendors.fakes["api.openai.com"].mood = "good"
    await stage.ended_job(key, await stage.post(key, "generations", fields()))
    for body in (plain, fields()):
        refused = await stage.post(key, "generations", body)
        assert (refused.status, refused.headers[b"retry-after"]) == (429, b"30")
        error = read_object(refused.body)["error"]
        assert isinstance(error, dict)
        assert error["code"] == "image_cooldown"
