"""Clients of the image routes as people have them: the published commands, the examples, the official SDKs."""

import io
import os
import shutil
import subprocess
import sys
from base64 import b64decode, b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openai
import pytest
import requests

from freetheai_gateway.jsonc import Decoder
from tests.e2e.gateway import Gateway, Key
from tests.e2e.pictures import GENERATE_ONLY, PROMPT, SKETCH, measured, png, size_of
from tests.skipping import skip_or_fail

EXAMPLES = Path(__file__).parents[2] / "examples" / "images"
PACKAGES = Path(sys.prefix) / "node" / "node_modules"
RUN_S = 30
Shell = Callable[..., str]
_read: Decoder[dict[str, Any]] = Decoder(dict[str, Any])

GENERATION = """
curl https://api.freetheai.xyz/v1/images/generations \\
-H "Authorization: Bearer $FREETHEAI_API_KEY" \\
-H "Content-Type: application/json" \\
-d '{
"model": "vhr/gpt_image_2",
"prompt": "A cinematic neon sports car parked under rainy city lights"
}'
"""
EDIT = """
curl https://api.freetheai.xyz/v1/images/edits \\
-H "Authorization: Bearer $FREETHEAI_API_KEY" \\
-H "Content-Type: application/json" \\
-d '{
"model": "img/gpt-image-2",
"prompt": "Improve this logo and make it cleaner",
"image": "data:image/png;base64,BASE64_IMAGE_HERE"
}'
"""
"""The commands of the specification, as they are published."""

NODE = """
import OpenAI, { toFile } from "openai";
const client = new OpenAI({ apiKey: process.env.FREETHEAI_API_KEY, baseURL: "@BASE_URL@", maxRetries: 0 });
const model = "local/sketch";
const prompt = "@PROMPT@";
const png = Buffer.from("@PNG@", "base64");
const file = (name) => toFile(png, name, { type: "image/png" });
const raised = async (call) => {
  try { await call(); } catch (error) {
    return [error.constructor.name, error.status, error.code, error.param ?? null];
  }
};
const several = await client.images.generate({ model, prompt, n: 2, size: "256x256" });
const one = await client.images.edit({ model, prompt, image: await file("a.png") });
const masked = await client.images.edit({
  model, prompt, image: [await file("a.png"), await file("b.png")], mask: await file("m.png"),
});
const types = { generated: [], edited: [] };
for await (const event of await client.images.generate({ model, prompt, stream: true, partial_images: 2 })) {
  types.generated.push(event.type);
}
const image = await file("a.png");
for await (const event of await client.images.edit({ model, prompt, image, stream: true, partial_images: 1 })) {
  types.edited.push(event.type);
}
const broken = await toFile(Buffer.from("no picture"), "a.png");
console.log(JSON.stringify({
  several: several.data.map((each) => each.b64_json), one: one.data[0].b64_json, masked: masked.data[0].b64_json, types,
  unknown: await raised(() => client.images.generate({ model: "local/skech", prompt })),
  generator: await raised(async () => client.images.edit({ model: "plain/generator", prompt, image })),
  broken: await raised(() => client.images.edit({ model, prompt, image: broken })),
  stranger: await raised(() => client.withOptions({ apiKey: "fta_wrong" }).images.generate({ model, prompt })),
}));
"""
REFUSALS = {
    "unknown": ["BadRequestError", 400, "model_not_found", "model"],
    "generator": ["BadRequestError", 400, "route_not_supported", "model"],
    "broken": ["BadRequestError", 400, "invalid_image", "image"],
    "stranger": ["AuthenticationError", 401, "invalid_api_key", None],
}
PARTIAL, COMPLETED = "image_generation.partial_image", "image_generation.completed"


def run(command: list[str], folder: Path, key: Key) -> str:
    """Run a program with the key in its environment; returns what it printed."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "FREETHEAI_API_KEY": key.secret}
    done = subprocess.run(command, capture_output=True, check=False, cwd=folder, env=environment, timeout=RUN_S)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


def example(name: str, gateway: Gateway, folder: Path) -> str:
    """Copy an example, with the address of this gateway in it."""
    text = (EXAMPLES / name).read_text()
    assert "http://127.0.0.1:8000" in text
    (folder / name).write_text(text.replace("http://127.0.0.1:8000", gateway.url))
    return name


@pytest.fixture
def shell(image_gateway: Gateway, image_key: Key, tmp_path: Path) -> Shell:
    """Run an example in `sh`, with its arguments; returns what it prints."""

    def run_example(name: str, *arguments: str) -> str:
        return run(["sh", example(name, image_gateway, tmp_path), *arguments], tmp_path, image_key)

    return run_example


def node(folder: Path) -> None:
    """Put the package where a program finds it."""
    if shutil.which("node") is None or not (PACKAGES / "openai").is_dir():
        skip_or_fail("Node.js or its openai package is not installed: apt-get install nodejs npm, then make test")
    (folder / "node_modules").symlink_to(PACKAGES)


@pytest.mark.parametrize(("command", "size"), [(GENERATION, (512, 512)), (EDIT, (40, 30))], ids=["generation", "edit"])
def test_published_command_when_run_but_for_address_and_model_then_a_png_is_on_disk(
    image_gateway: Gateway, image_key: Key, tmp_path: Path, command: str, size: tuple[int, int]
) -> None:
    """Nothing else of the specification's text is changed, but for the picture that the edit leaves open."""
    changes = {
        "https://api.freetheai.xyz": image_gateway.url,
        '"vhr/gpt_image_2"': f'"{SKETCH}"',
        '"img/gpt-image-2"': f'"{SKETCH}"',
        "BASE64_IMAGE_HERE": b64encode(png()).decode(),
    }
    for old, new in changes.items():
        command = command.replace(old, new)
    file = tmp_path / "result.png"
    file.write_bytes(b64decode(_read(run(["bash", "-c", command], tmp_path, image_key))["data"][0]["b64_json"]))
    assert measured(file) == ("PNG", size)


def test_published_helper_when_run_then_the_picture_is_saved(
    image_gateway: Gateway, image_key: Key, tmp_path: Path
) -> None:
    """The specification's Python program; it stands among the examples as it is published."""
    run([sys.executable, example("save_image.py", image_gateway, tmp_path)], tmp_path, image_key)
    assert measured(tmp_path / "generated.png") == ("PNG", (512, 512))


@pytest.mark.parametrize(
    ("words", "saved", "size"),
    [
        (["generate.sh"], "generated.png", (512, 512)),
        (["edit.sh", "logo.png"], "edited.png", (40, 30)),
        (["job.sh"], "job.png", (512, 512)),
    ],
)
def test_shell_example_when_run_then_the_picture_is_saved(
    shell: Shell, tmp_path: Path, words: list[str], saved: str, size: tuple[int, int]
) -> None:
    """Plain `sh`."""
    (tmp_path / "logo.png").write_bytes(png())
    shell(*words)
    assert measured(tmp_path / saved) == ("PNG", size)


def test_form_example_when_run_then_it_prints_an_address_that_holds_the_picture(
    image_gateway: Gateway, shell: Shell, tmp_path: Path
) -> None:
    """Several files, and an answer as a URL."""
    for each in ("a.png", "b.png"):
        (tmp_path / each).write_bytes(png())
    url = shell("edit_form.sh", "a.png", "b.png").strip()
    fetched = requests.get(image_gateway.url + "/v1" + url.partition("/v1")[2], timeout=10)
    assert measured(io.BytesIO(fetched.content)) == ("PNG", (40, 30))


@pytest.mark.parametrize("name", ["openai_sdk.py", "openai_sdk.mjs"])
def test_sdk_example_when_run_then_every_picture_is_saved(
    image_gateway: Gateway, image_key: Key, tmp_path: Path, name: str
) -> None:
    """Generate, edit what was generated, and a stream with partial pictures."""
    program = sys.executable
    if name.endswith(".mjs"):
        node(tmp_path)
        program = "node"
    run([program, example(name, image_gateway, tmp_path)], tmp_path, image_key)
    sizes = {file.name: measured(file) for file in tmp_path.glob("*.png")}
    assert sizes == {
        "generated.png": ("PNG", (256, 256)),
        "edited.png": ("PNG", (256, 256)),
        "partial-0.png": ("PNG", (64, 64)),
        "partial-1.png": ("PNG", (128, 128)),
        "streamed.png": ("PNG", (512, 512)),
    }


def test_python_package_when_used_in_full_then_pictures_and_errors_are_its_own(
    image_gateway: Gateway, image_key: Key
) -> None:
    """Several results, one and several files, a mask, both streams, and what it raises."""
    with openai.OpenAI(api_key=image_key.secret, base_url=f"{image_gateway.url}/v1", max_retries=0) as client:
        images = client.images
        several = images.generate(model=SKETCH, prompt=PROMPT, n=2, size="256x256")
        assert [size_of(each.b64_json or "") for each in several.data or []] == [(256, 256), (256, 256)]
        one = images.edit(model=SKETCH, prompt=PROMPT, image=("a.png", png()))
        files = [("a.png", png()), ("b.png", png())]
        masked = images.edit(model=SKETCH, prompt=PROMPT, image=files, mask=("m.png", png()))
        assert [size_of(made.data[0].b64_json or "") for made in (one, masked) if made.data] == [(40, 30), (40, 30)]
        made = list(images.generate(model=SKETCH, prompt=PROMPT, stream=True, partial_images=2))
        assert [event.type for event in made] == [PARTIAL, PARTIAL, COMPLETED]
        changed = list(images.edit(model=SKETCH, prompt=PROMPT, image=files[0], stream=True, partial_images=1))
        assert [event.type for event in changed] == ["image_edit.partial_image", "image_edit.completed"]
        calls: dict[str, Callable[[], object]] = {
            "unknown": lambda: images.generate(model="local/skech", prompt=PROMPT),
            "generator": lambda: images.edit(model=GENERATE_ONLY, prompt=PROMPT, image=files[0]),
            "broken": lambda: images.edit(model=SKETCH, prompt=PROMPT, image=b"no picture"),
            "stranger": lambda: client.with_options(api_key="fta_wrong").images.generate(model=SKETCH, prompt=PROMPT),
        }
        for name, call in calls.items():
            with pytest.raises(openai.APIStatusError) as raised:
                call()
            error = raised.value
            assert [type(error).__name__, error.status_code, error.code, error.param] == REFUSALS[name]


def test_npm_package_when_used_in_full_then_pictures_and_errors_are_its_own(
    image_gateway: Gateway, image_key: Key, tmp_path: Path
) -> None:
    """The same, in one process of Node.js."""
    node(tmp_path)
    program = NODE
    words = {"@BASE_URL@": f"{image_gateway.url}/v1", "@PROMPT@": PROMPT, "@PNG@": b64encode(png()).decode()}
    for word, meaning in words.items():
        program = program.replace(word, meaning)
    (tmp_path / "client.mjs").write_text(program)
    told = _read(run(["node", "client.mjs"], tmp_path, image_key))
    assert [size_of(each) for each in told["several"]] == [(256, 256), (256, 256)]
    assert (size_of(told["one"]), size_of(told["masked"])) == ((40, 30), (40, 30))
    assert told["types"] == {
        "generated": [PARTIAL, PARTIAL, COMPLETED],
        "edited": ["image_edit.partial_image", "image_edit.completed"],
    }
    assert {name: told[name] for name in REFUSALS} == REFUSALS
