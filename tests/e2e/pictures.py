"""The gateway of the image tests: two models that draw, no key of a vendor; and pictures to send and to measure."""

import io
from base64 import b64decode
from pathlib import Path

from PIL import Image

from tests.e2e.gateway import CANARY

SKETCH = "local/sketch"
GENERATE_ONLY = "plain/generator"
PROMPT = f"{CANARY}: a lighthouse"

CONFIG = """
[images]
keep_s = 60
[[providers]]
name = "sketch"
api = "sketch"
[[models]]
id = "local/sketch"
kind = "image"
features = ["generate", "edit", "mask"]
upstreams = [{ provider = "sketch", model = "sketch" }]
[[models]]
id = "plain/generator"
kind = "image"
features = ["generate"]
upstreams = [{ provider = "sketch", model = "sketch" }]
"""


def png(width: int = 40, height: int = 30) -> bytes:
    """Draw a small picture."""
    file = io.BytesIO()
    Image.new("RGB", (width, height), (200, 30, 30)).save(file, "PNG")
    return file.getvalue()


def measured(file: Path | io.BytesIO) -> tuple[str | None, tuple[int, int]]:
    """Open a picture, decode all of it, and tell format and size."""
    with Image.open(file) as image:
        image.load()
        return image.format, image.size


def size_of(text: str) -> tuple[int, int]:
    """Measure a picture that came as base64."""
    return measured(io.BytesIO(b64decode(text)))[1]
