"""What each provider takes, model by model, and what becomes of an order that says something else."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freetheai_gateway.domain.images import Operation, Order, Size, SizeRules, fit
from freetheai_gateway.jsonc import decode_any
from freetheai_gateway.services.image_ports import Ask
from freetheai_gateway.services.trace import Trace
from freetheai_gateway.testing.clock import FakeClock
from freetheai_gateway.testing.image_vendors import VENDORS, ImageVendor
from tests.unit.upstream.test_images import maker, picture

GPT_2 = SizeRules(step=16, least=655_360, most=8_294_400, longest=3_840, ratio=3.0)
FLUX_DEV = SizeRules(step=32, least=65_536, most=2_073_600, shortest=256, longest=1_440)
RULES = [GPT_2, FLUX_DEV, SizeRules(step=16, least=3_686_400, most=16_777_216, ratio=16.0)]


async def sent(api: str, model: str, order: Order) -> tuple[Mapping[str, object], set[str]]:
    """Let an adapter order from its fake; returns the first body, and what was adjusted."""
    vendor: ImageVendor = VENDORS[api](picture().data, "good")
    trace = Trace("req_1", "/v1/images/generations", FakeClock())
    made = await maker(api, vendor).make(Ask(order, model, 0, trace))
    body = vendor.requests[0].body
    fields = decode_any(body) if body.startswith(b"{") else _form_fields(body)
    assert isinstance(fields, dict)
    return fields, set(made.adjusted)


def _form_fields(body: bytes) -> dict[str, object]:
    boundary, _, _ = body.partition(b"\r\n")
    parts = [part.strip(b"\r\n").partition(b"\r\n\r\n") for part in body.split(boundary)[1:-1]]
    return {head.partition(b'name="')[2].partition(b'"')[0].decode(): value for head, _, value in parts}


def generation(**said: object) -> Order:
    """Order a picture."""
    return Order(Operation.GENERATE, "A lighthouse", **said)  # type: ignore[arg-type]


def edit(count: int = 1, **said: object) -> Order:
    """Order an edit of so many pictures."""
    return Order(Operation.EDIT, "Cleaner", pictures=(picture(),) * count, **said)  # type: ignore[arg-type]


@pytest.mark.parametrize("rules", RULES)
@given(width=st.integers(1, 8_192), height=st.integers(1, 8_192))
def test_size_when_fitted_then_it_keeps_every_rule(rules: SizeRules, width: int, height: int) -> None:
    """Steps, area, sides and ratio, from any size."""
    fitted = fit(Size(width, height), rules)
    short, long = sorted((fitted.width, fitted.height))
    assert short % rules.step == long % rules.step == 0
    assert rules.least <= fitted.pixels <= rules.most
    assert rules.shortest <= short
    assert long <= rules.longest
    assert long <= short * rules.ratio


@pytest.mark.parametrize("size", [Size(1024, 1024), Size(1536, 1024), Size(3840, 2160), Size(1440, 480 + 16)])
def test_size_when_it_keeps_the_rules_then_it_stays(size: Size) -> None:
    """Nothing is adjusted that need not be."""
    assert fit(size, GPT_2) == size


@pytest.mark.parametrize(
    ("wanted", "taken"),
    [(Size(4096, 1024), "3840x1280"), (Size(256, 256), "816x816"), (Size(8192, 8192), "2880x2880")],
)
async def test_gpt_image_2_when_a_size_is_outside_its_rules_then_the_nearest_is_asked_for(
    wanted: Size, taken: str
) -> None:
    """Sides up to 3840, at most three to one."""
    fields, adjusted = await sent("openai-images", "gpt-image-2", generation(size=wanted))
    assert fields["size"] == taken
    assert "size" in adjusted


@pytest.mark.parametrize(
    ("model", "order", "left_out"),
    [
        ("gpt-image-2", edit(fidelity="high"), "input_fidelity"),
        ("gpt-image-1-mini", edit(fidelity="high"), "input_fidelity"),
        ("gpt-image-2", generation(background="transparent"), "background"),
        ("gpt-image-1.5", generation(background="transparent", output_format="jpeg"), "background"),
        ("gpt-image-2", generation(compression=50), "output_compression"),
        ("gpt-image-2", generation(compression=50, output_format="png"), "output_compression"),
    ],
)
async def test_openai_when_a_model_refuses_a_field_then_it_is_left_out_and_named(
    model: str, order: Order, left_out: str
) -> None:
    """The API answers 400 to each of these."""
    fields, adjusted = await sent("openai-images", model, order)
    assert left_out not in fields
    assert left_out in adjusted


@pytest.mark.parametrize(
    ("model", "order", "field"),
    [
        ("gpt-image-1", edit(fidelity="high"), "input_fidelity"),
        ("gpt-image-1.5", generation(background="transparent"), "background"),
        ("gpt-image-2", generation(background="opaque"), "background"),
        ("gpt-image-2", generation(compression=50, output_format="webp"), "output_compression"),
    ],
)
async def test_openai_when_a_model_takes_a_field_then_it_goes(model: str, order: Order, field: str) -> None:
    """Models differ."""
    fields, adjusted = await sent("openai-images", model, order)
    assert field in fields
    assert field not in adjusted


@pytest.mark.parametrize(
    ("model", "order", "expected"),
    [
        ("flux-dev", generation(size=Size(2048, 512)), {"width": 1440, "height": 352}),
        ("flux-dev", generation(size=Size(64, 64)), {"width": 256, "height": 256}),
        ("flux-2-pro", generation(size=Size(1920, 1080)), {"width": 1920, "height": 1088}),
        ("flux-kontext-pro", generation(size=Size(1920, 1080)), {"aspect_ratio": "16:9"}),
        ("flux-pro-1.1-ultra", generation(size=Size(1000, 3000)), {"aspect_ratio": "9:21"}),
    ],
)
async def test_bfl_when_a_size_is_asked_for_then_it_is_said_as_the_model_takes_it(
    model: str, order: Order, expected: dict[str, object]
) -> None:
    """Sides, or an aspect ratio."""
    fields, adjusted = await sent("bfl", model, order)
    assert {name: fields[name] for name in ("width", "height", "aspect_ratio") if name in fields} == expected
    assert "size" in adjusted


@pytest.mark.parametrize(
    ("model", "count", "field"),
    [
        ("fal-ai/flux-pro/kontext", 1, "image_url"),
        ("fal-ai/flux-pro/kontext/multi", 1, "image_urls"),
        ("fal-ai/flux/dev/image-to-image", 1, "image_url"),
        ("fal-ai/nano-banana/edit", 1, "image_urls"),
        ("fal-ai/nano-banana-2/edit", 2, "image_urls"),
        ("fal-ai/bytedance/seedream/v4/edit", 1, "image_urls"),
        ("fal-ai/flux-2/edit", 1, "image_urls"),
    ],
)
async def test_fal_when_pictures_are_edited_then_they_go_in_the_field_of_the_model(
    model: str, count: int, field: str
) -> None:
    """A list even for one, where the model takes several."""
    fields, _ = await sent("fal", model, edit(count))
    url = picture().data_url
    assert {name: fields[name] for name in ("image_url", "image_urls") if name in fields} == {
        field: url if field == "image_url" else [url] * count
    }


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("fal-ai/flux/dev", {"image_size": {"width": 1920, "height": 1080}}),
        ("fal-ai/flux-pro/kontext", {"aspect_ratio": "16:9"}),
        ("fal-ai/nano-banana-2", {"aspect_ratio": "16:9"}),
    ],
)
async def test_fal_when_a_size_is_asked_for_then_it_is_said_as_the_model_takes_it(
    model: str, expected: dict[str, object]
) -> None:
    """Pixels, or an aspect ratio, which is not to the letter."""
    fields, adjusted = await sent("fal", model, generation(size=Size(1920, 1080)))
    assert {name: fields[name] for name in ("image_size", "aspect_ratio") if name in fields} == expected
    assert ("size" in adjusted) == ("aspect_ratio" in expected)


@pytest.mark.parametrize(
    ("model", "wanted", "taken"),
    [
        ("seedream-4-0-250828", Size(1024, 1024), "1024x1024"),
        ("seedream-4-5-251128", Size(1024, 1024), "1920x1920"),
        ("seedream-3-0-t2i-250415", Size(4096, 4096), "2048x2048"),
        ("seedream-5-0-260128", Size(4096, 4096), "3216x3216"),
    ],
)
async def test_seedream_when_a_size_is_outside_its_area_then_the_nearest_is_asked_for(
    model: str, wanted: Size, taken: str
) -> None:
    """The area differs from version to version."""
    fields, _ = await sent("ark", model, generation(size=wanted))
    assert fields["size"] == taken


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("gemini-3.1-flash-image", {"aspectRatio": "16:9", "imageSize": "2K"}),
        ("gemini-2.5-flash-image", {"aspectRatio": "16:9"}),
    ],
)
async def test_gemini_when_a_model_knows_no_resolution_then_only_the_ratio_is_said(
    model: str, expected: dict[str, str]
) -> None:
    """The first one has a single resolution."""
    fields, adjusted = await sent("gemini-images", model, generation(size=Size(1920, 1080)))
    config = fields["generationConfig"]
    assert isinstance(config, dict)
    assert config["imageConfig"] == expected
    assert "size" in adjusted
