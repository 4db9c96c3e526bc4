"""Every image provider against its scripted fake: what exactly goes out, and what each failure becomes."""

import asyncio
import io
from base64 import b64encode

import pytest
from PIL import Image

from freetheai_gateway.app.images import MAKERS, make_image_maker
from freetheai_gateway.dialects.openai_images import find_picture
from freetheai_gateway.domain.images import Made, Operation, Order, Picture, Size, SizeRules, fit, nearest_ratio
from freetheai_gateway.domain.outcomes import find_rule
from freetheai_gateway.errors import ContentPolicyViolation, GatewayError, ProviderError, ProviderUnavailable
from freetheai_gateway.jsonc import decode_any
from freetheai_gateway.services.image_ports import Ask, ImageMaker, OnPartial
from freetheai_gateway.services.ports import UpstreamRequest
from freetheai_gateway.services.trace import Trace
from freetheai_gateway.settings.defaults import OFFICIAL_BASE_URLS
from freetheai_gateway.testing.clock import FakeClock
from freetheai_gateway.testing.image_vendors import VENDORS, FalVendor, ImageVendor
from freetheai_gateway.upstream.images.calls import Pace
from freetheai_gateway.upstream.images.sketch import SketchProvider
from freetheai_gateway.upstream.providers import HTTPProvider, ProviderConfig

MODELS = {
    "openai-images": "gpt-image-2",
    "gemini-images": "gemini-3.1-flash-image",
    "bfl": "flux-dev",
    "fal": "fal-ai/flux/dev",
    "ark": "seedream-4-0-250828",
}
KEY = "vendor-secret"
CREDENTIALS = {
    "openai-images": (b"authorization", b"Bearer vendor-secret"),
    "gemini-images": (b"x-goog-api-key", b"vendor-secret"),
    "bfl": (b"x-key", b"vendor-secret"),
    "fal": (b"authorization", b"Key vendor-secret"),
    "ark": (b"authorization", b"Bearer vendor-secret"),
}
FAST = Pace(first_s=0.001, most_s=0.001)


def picture(width: int = 8, height: int = 8) -> Picture:
    """Draw a small picture."""
    file = io.BytesIO()
    Image.new("RGB", (width, height), (9, 99, 199)).save(file, "PNG")
    found = find_picture(file.getvalue())
    assert found is not None
    return found


def maker(api: str, vendor: ImageVendor) -> ImageMaker:
    """Build the adapter of a provider over its fake."""
    config = ProviderConfig(name=api, api=api, base_url=OFFICIAL_BASE_URLS[api], api_keys=(KEY,))
    return make_image_maker(api, HTTPProvider(config), vendor, FakeClock(), FAST)


def ask(api: str, order: Order, on_partial: OnPartial | None = None) -> Ask:
    """Make a call of the first key."""
    trace = Trace("req_1", "/v1/images/generations", FakeClock())
    trace.model = "img/model"
    return Ask(order, MODELS.get(api, api), 0, trace, on_partial)


async def made_by(api: str, vendor: ImageVendor, order: Order) -> Made:
    """Let a provider make something."""
    return await maker(api, vendor).make(ask(api, order))


def generation() -> Order:
    """Order a picture."""
    return Order(Operation.GENERATE, "A lighthouse", size=Size(1024, 1024))


def edit() -> Order:
    """Order an edit."""
    return Order(Operation.EDIT, "Cleaner", pictures=(picture(),))


def full_edit() -> Order:
    """Order an edit that says something in every field."""
    return Order(
        Operation.EDIT,
        "Cleaner",
        size=Size(1024, 1024),
        quality="high",
        background="opaque",
        output_format="webp",
        compression=0,
        moderation="low",
        fidelity="high",
        pictures=(picture(),),
        mask=picture(),
    )


GENERATIONS: dict[str, tuple[str, dict[str, object]]] = {
    "openai-images": (
        "/v1/images/generations",
        {"model": "gpt-image-2", "prompt": "A lighthouse", "size": "1024x1024"},
    ),
    "gemini-images": (
        "/v1beta/models/gemini-3.1-flash-image:generateContent",
        {
            "contents": [{"role": "user", "parts": [{"text": "A lighthouse"}]}],
            "generationConfig": {"responseModalities": ["IMAGE"], "imageConfig": {"aspectRatio": "1:1"}},
        },
    ),
    "bfl": ("/v1/flux-dev", {"prompt": "A lighthouse", "output_format": "png", "width": 1024, "height": 1024}),
    "fal": (
        "/fal-ai/flux/dev",
        {"prompt": "A lighthouse", "num_images": 1, "image_size": {"width": 1024, "height": 1024}},
    ),
    "ark": (
        "/api/v3/images/generations",
        {
            "model": "seedream-4-0-250828",
            "prompt": "A lighthouse",
            "response_format": "b64_json",
            "watermark": False,
            "sequential_image_generation": "disabled",
            "size": "1024x1024",
        },
    ),
}
"""The exact upstream request of the same order, by provider."""


def test_makers_when_listed_then_each_has_a_fake_and_a_row_here() -> None:
    """A provider that is added can't be forgotten."""
    assert set(MAKERS) == set(VENDORS) == set(GENERATIONS) == set(MODELS)


@pytest.mark.parametrize("api", sorted(GENERATIONS))
async def test_generation_when_ordered_then_exactly_this_goes_out_and_a_picture_comes_back(api: str) -> None:
    """Path, credential and body of the first call; results are fetched without any credential."""
    vendor = VENDORS[api](picture().data, "good")
    made = await made_by(api, vendor, generation())
    assert [each.picture.size for each in made.pictures] == [Size(8, 8)]
    first = vendor.requests[0]
    target, body = GENERATIONS[api]
    assert (first.target, decode_any(first.body)) == (target, body)
    assert CREDENTIALS[api] in first.headers
    fetched = [request for request in vendor.requests if request.origin.host == "delivery.example"]
    assert all(KEY.encode() not in value for request in fetched for _, value in request.headers)


@pytest.mark.parametrize("api", sorted(GENERATIONS))
@pytest.mark.parametrize(
    ("mood", "error"),
    [
        ("moderated", ContentPolicyViolation),
        ("failed", ProviderError),
        ("busy", ProviderUnavailable),
        ("garbage", ProviderError),
    ],
)
async def test_failure_when_the_provider_has_one_then_the_client_is_told_the_right_kind(
    api: str, mood: str, error: type[GatewayError]
) -> None:
    """Moderation is the client's to mend; the rest is the provider's, and the trace says how it failed."""
    call = ask(api, generation())
    with pytest.raises(error):
        await maker(api, VENDORS[api](picture().data, mood)).make(call)
    assert call.trace.mishap is not None


@pytest.mark.parametrize("api", ["ark", "fal"])
async def test_refusal_when_it_comes_as_an_http_error_in_the_vendors_own_words_then_it_is_about_the_content(
    api: str,
) -> None:
    """A code in capitals and small letters, or the type of a validation error."""
    with pytest.raises(ContentPolicyViolation):
        await maker(api, VENDORS[api](picture().data, "flagged")).make(ask(api, generation()))


@pytest.mark.parametrize("api", sorted(GENERATIONS))
async def test_edit_when_ordered_then_the_input_goes_along_in_the_providers_form(api: str) -> None:
    """A form for OpenAI, base64 or a data URL for the others."""
    vendor = VENDORS[api](picture().data, "good")
    order = edit()
    made = await made_by(api, vendor, order)
    assert made.pictures
    body = vendor.requests[0].body
    data = order.pictures[0].data
    assert (data if api == "openai-images" else b64encode(data)) in body
    assert "size" not in made.adjusted


LEFT_OUT: dict[str, set[str]] = {
    "openai-images": {"response_format", "input_fidelity"},
    "gemini-images": {"quality", "background", "moderation", "input_fidelity", "mask"}
    | {"output_format", "output_compression", "size"},
    "bfl": {"quality", "background", "moderation", "input_fidelity", "mask", "output_format", "output_compression"},
    "fal": {"quality", "background", "moderation", "input_fidelity", "output_format", "output_compression"},
    "ark": {"quality", "background", "moderation", "input_fidelity", "mask", "output_format", "output_compression"},
}
"""What no field of the provider says."""


@pytest.mark.parametrize("api", sorted(GENERATIONS))
async def test_edit_when_it_says_everything_then_what_the_provider_has_no_field_for_is_named(api: str) -> None:
    """A compression of 0 is said as well as any other."""
    made = await made_by(api, VENDORS[api](picture().data, "good"), full_edit())
    assert sorted(made.adjusted) == sorted(LEFT_OUT[api])


async def test_sketch_when_an_edit_says_everything_then_what_it_ignores_is_named() -> None:
    """It draws over the whole picture, so a mask is not kept to, and it never compresses by a number."""
    made = await SketchProvider("local").make(ask("sketch", full_edit()))
    assert sorted(made.adjusted) == sorted(
        ["quality", "background", "moderation", "input_fidelity", "mask", "output_compression"]
    )


async def test_stream_when_openai_makes_partial_pictures_then_they_are_handed_on() -> None:
    """Events may be cut anywhere."""
    seen = []

    async def take(partial: Picture, index: int) -> None:
        seen.append((partial.size, index))

    order = Order(Operation.GENERATE, "A lighthouse", partial_images=1)
    vendor = VENDORS["openai-images"](picture().data, "good")
    made = await maker("openai-images", vendor).make(ask("openai-images", order, take))
    assert seen == [(Size(8, 8), 0)]
    assert made.usage.output_tokens == 272


async def test_job_when_the_client_leaves_then_fal_is_told_to_stop() -> None:
    """By the address that the submission gave."""
    vendor = FalVendor(picture().data, "endless")
    work = asyncio.ensure_future(made_by("fal", vendor, generation()))
    await vendor.looked_thrice.wait()
    work.cancel()
    await asyncio.wait({work})
    last: UpstreamRequest = vendor.requests[-1]
    assert (last.method, last.target) == ("PUT", "/fal-ai/flux/requests/r1/cancel")


@pytest.mark.parametrize("api", ["bfl", "fal"])
async def test_job_when_a_question_about_it_fails_in_passing_then_it_is_asked_again_and_not_ordered_anew(
    api: str,
) -> None:
    """The picture is paid for: a bad gateway or a broken connection on the way to it must not lose it."""
    vendor = VENDORS[api](picture().data, "hiccups")
    call = ask(api, generation())
    made = await maker(api, vendor).make(call)
    assert [each.picture.size for each in made.pictures] == [Size(8, 8)]
    assert sum(request.method == "POST" for request in vendor.requests) == 1
    assert call.trace.mishap is None


@pytest.mark.parametrize("api", ["bfl", "fal"])
async def test_job_when_nothing_more_is_heard_of_it_then_it_counts_as_executed(api: str) -> None:
    """A 503 on the way would else say that the order can be given again, and paid again."""
    vendor = VENDORS[api](picture().data, "lost")
    call = ask(api, generation())
    with pytest.raises(GatewayError):
        await maker(api, vendor).make(call)
    assert call.trace.mishap is not None
    assert find_rule(call.trace.mishap).executed
    assert sum(request.method == "POST" for request in vendor.requests) == 1


async def test_count_when_all_calls_fail_and_one_may_have_been_executed_then_the_order_is_not_given_again() -> None:
    """One was refused for now, one failed inside: which of them ended last does not matter."""
    for moods in (["busy", "failed"], ["failed", "busy"]):
        vendor = VENDORS["ark"](picture().data, "good")
        vendor.moods = list(moods)
        call = ask("ark", Order(Operation.GENERATE, "A lighthouse", count=2))
        with pytest.raises(ProviderError):
            await maker("ark", vendor).make(call)
        assert call.trace.mishap is not None
        assert find_rule(call.trace.mishap).executed


@pytest.mark.parametrize("api", ["gemini-images", "bfl", "ark"])
async def test_count_when_a_provider_makes_one_at_a_time_then_it_is_asked_as_often(api: str) -> None:
    """Side by side, and all results in one reply."""
    vendor = VENDORS[api](picture().data, "good")
    made = await made_by(api, vendor, Order(Operation.GENERATE, "A lighthouse", count=3))
    assert len(made.pictures) == 3
    assert sum(request.method == "POST" for request in vendor.requests) == 3


@pytest.mark.parametrize(
    "wanted", [Size(256, 256), Size(1024, 1024), Size(1920, 1080), Size(8192, 8192), Size(17, 901)]
)
def test_size_when_fitted_then_it_is_within_what_is_taken(wanted: Size) -> None:
    """Sides in steps, the area between two bounds."""
    fitted = fit(wanted, SizeRules(step=16, least=921_600, most=16_777_216))
    assert fitted.width % 16 == fitted.height % 16 == 0
    assert 921_600 <= fitted.pixels <= 16_777_216


def test_ratio_when_a_size_has_no_name_then_the_nearest_is_taken() -> None:
    """By factor, so that wide and tall count alike."""
    assert [nearest_ratio(size) for size in (Size(1920, 1080), Size(1000, 1010), Size(600, 1100))] == [
        "16:9",
        "1:1",
        "9:16",
    ]
