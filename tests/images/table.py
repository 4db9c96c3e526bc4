"""Every image model by every route in every form: what is asked, what came of it, and what went upstream for it."""

import io
from base64 import b64decode
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from freetheai_gateway.dialects.openai_images import find_picture
from freetheai_gateway.domain.images import Picture, Size
from freetheai_gateway.services.ports import UpstreamRequest
from freetheai_gateway.sse import EventCutter, event_data, split_events
from freetheai_gateway.testing.asgi import Client
from tests.images.stage import Object, Stage, Vendors, form, read_object, settings_of

ROOT = Path(__file__).parents[2]
GENERATIONS, EDITS = "generations", "edits"
ROUTES = (GENERATIONS, EDITS)
FORMS = ("JSON", "multipart", "streamed", "job")
SPECIFIED = ("img/gpt-image-2", "vhr/gpt_image_2", "vhr/flux_dev", "vhr/nano_banana_2", "vhr/bytedance_seedream_v4")
SKETCH = "local/sketch"
FURTHER = (
    *("also/flux_dev", "also/flux_kontext", "also/flux_2"),
    *("also/nano_banana_2", "also/nano_banana_2_fal", "also/seedream_v4"),
)
MODELS = (*SPECIFIED, SKETCH, *FURTHER)
PROMPTS = {GENERATIONS: "A lighthouse", EDITS: "Make it cleaner"}
SIZES = {SKETCH: Size(512, 512)}
"""Of the results, where they are not the picture of the fakes."""
DRAWN = Size(24, 16)

_MORE = """
[[providers]]
name = "sketch"
api = "sketch"
[[providers]]
name = "fal"
api = "fal"
api_keys = ["env:FAL_API_KEY"]
"""
_MODEL = """
[[models]]
id = "{id}"
kind = "image"
features = ["generate", "edit"]
[[models.upstreams]]
provider = "{provider}"
model = "{model}"
edit_model = "{edits}"
"""
_UPSTREAMS = {
    SKETCH: ("sketch", "sketch", ""),
    "also/flux_dev": ("fal", "fal-ai/flux/dev", "fal-ai/flux/dev/image-to-image"),
    "also/flux_kontext": ("bfl", "flux-dev", "flux-kontext-pro"),
    "also/flux_2": ("bfl", "flux-2-pro", ""),
    "also/nano_banana_2": ("gemini-images", "gemini-3.1-flash-image", ""),
    "also/nano_banana_2_fal": ("fal", "fal-ai/nano-banana-2", "fal-ai/nano-banana-2/edit"),
    "also/seedream_v4": ("ark", "seedream-4-0-250828", ""),
}
"""Provider, the model there, and the model there that edits, where it is another one."""


def upstream_of(model: str) -> str:
    """Name provider and model that stand behind one that the example configuration leaves out."""
    provider, upstream, edits = _UPSTREAMS[model]
    return f"`{upstream}` on `{provider}`" + (f", edits on `{edits}`" if edits else "")


@dataclass(frozen=True, slots=True)
class Cell:
    """One way in, and what came of it: no `refusal` where a picture came, as it should."""

    model: str
    route: str
    form: str
    refusal: str
    events: tuple[str, ...]
    upstream: tuple[str, ...]
    """Every request that went out, in order."""


def configuration() -> str:
    """Write the example configuration with the models that it leaves out."""
    models = "".join(
        _MODEL.format(id=model, provider=provider, model=upstream, edits=edits)
        for model, (provider, upstream, edits) in _UPSTREAMS.items()
    )
    return (ROOT / "freetheai.example.toml").read_text() + _MORE + models


def drawn(size: Size = DRAWN) -> Picture:
    """Draw what every fake gives and every edit takes."""
    file = io.BytesIO()
    Image.new("RGB", (size.width, size.height), (9, 99, 199)).save(file, "PNG")
    found = find_picture(file.getvalue())
    assert found is not None
    return found


async def cells(folder: Path) -> list[Cell]:
    """Run every cell."""
    picture = drawn()
    stage = Stage(settings_of(configuration(), folder), Vendors(picture))
    key = stage.member("table")
    return [
        await _run(stage, key, picture, (model, route, how)) for model in MODELS for route in ROUTES for how in FORMS
    ]


async def _run(stage: Stage, key: str, picture: Picture, what: tuple[str, str, str]) -> Cell:
    model, route, how = what
    stage.vendors.requests.clear()
    answer = await _ask(stage, key, picture, what)
    events: tuple[str, ...] = ()
    refusal = ""
    if answer.status >= 400:
        error = read_object(answer.body)["error"]
        assert isinstance(error, dict)
        refusal = f"{answer.status} {error['code']}"
    else:
        told = await _told(stage, key, answer, how)
        events = tuple(str(each.get("type", "")) for each in told)
        _check(told[-1], SIZES.get(model, DRAWN) if route == GENERATIONS else DRAWN)
    return Cell(model, route, how, refusal, events, tuple(_described(each) for each in stage.vendors.requests))


async def _ask(stage: Stage, key: str, picture: Picture, what: tuple[str, str, str]) -> Client:
    model, route, how = what
    fields: Object = {"model": model, "prompt": PROMPTS[route]}
    if how == "streamed":
        fields |= {"stream": True, "partial_images": 1}
    if how == "job":
        fields |= {"background": True}
    if how == "multipart":
        files = [("image", picture)] if route == EDITS else []
        body, headers = form(fields, files)
        return await stage.post(key, route, body, headers)
    if route == EDITS:
        fields |= {"image": picture.data_url}
    return await stage.post(key, route, fields)


async def _told(stage: Stage, key: str, answer: Client, how: str) -> list[Object]:
    """Read what came: one reply, the events of a stream, or what a job ended as."""
    if how == "job":
        assert answer.status == 202
        return [await stage.ended_job(key, answer)]
    assert answer.status == 200
    if how != "streamed":
        return [read_object(answer.body)]
    events = split_events(EventCutter().feed(answer.body))
    return [read_object(data) for event in events if (data := event_data(event)) is not None]


def _check(told: Object, size: Size) -> None:
    """See that a picture of the right size is in it."""
    item: Object = told
    if "data" in told:
        data = told["data"]
        assert isinstance(data, list), told
        (item,) = data
    assert "b64_json" in item, told
    found = find_picture(b64decode(str(item["b64_json"]), validate=True))
    assert found is not None
    assert found.size == size


def _described(request: UpstreamRequest) -> str:
    """Write a request for people: the picture's bytes by their name, the key by its header."""
    origin = request.origin
    headers = dict(request.headers)
    lines = [f"{request.method} {origin.scheme}://{origin.host}{request.target}"]
    credential = [name.decode() for name, value in request.headers if b"vendor-secret" in value]
    lines[0] += f"  ({credential[0]})" if credential else "  (no key)"
    if request.body:
        kind = headers[b"content-type"]
        text = _form_text(request.body) if kind.startswith(b"multipart/") else request.body.decode()
        lines.append(text.replace(drawn().data_url.partition(",")[2], "BASE64"))
    return "\n".join(lines)


def _form_text(body: bytes) -> str:
    """Write a form as one line a field."""
    boundary, _, _ = body.partition(b"\r\n")
    lines = []
    for part in body.split(boundary)[1:-1]:
        head, _, value = part.strip(b"\r\n").partition(b"\r\n\r\n")
        words = head.decode().removeprefix("content-disposition: form-data; ").replace("\r\ncontent-type:", ";")
        shown = "PNG" if drawn().data.startswith(value[:8]) and len(value) > 8 else value.decode()
        lines.append(f"multipart/form-data; {words} = {shown}")
    return "\n".join(lines)


def requests_by_kind(found: list[Cell], model: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Group the cells of a model by what went upstream for them."""
    grouped: dict[tuple[str, ...], list[str]] = {}
    for cell in found:
        if cell.model == model and cell.upstream:
            grouped.setdefault(cell.upstream, []).append(f"{cell.route} {cell.form}")
    for upstream, names in grouped.items():
        yield ", ".join(names), upstream
