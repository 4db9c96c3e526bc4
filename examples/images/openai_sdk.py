"""Generate, edit and stream with the official package: pip install openai."""

import base64
import os
from pathlib import Path

from openai import OpenAI

MODEL = "local/sketch"

client = OpenAI(api_key=os.environ["FREETHEAI_API_KEY"], base_url="http://127.0.0.1:8000/v1")

made = client.images.generate(model=MODEL, prompt="A lighthouse at dawn", size="256x256")
Path("generated.png").write_bytes(base64.b64decode(made.data[0].b64_json))

with Path("generated.png").open("rb") as picture:
    edited = client.images.edit(model=MODEL, prompt="Put a frame around it", image=picture)
Path("edited.png").write_bytes(base64.b64decode(edited.data[0].b64_json))

stream = client.images.generate(model=MODEL, prompt="A lighthouse at dusk", stream=True, partial_images=2)
for event in stream:
    if event.type == "image_generation.partial_image":
        Path(f"partial-{event.partial_image_index}.png").write_bytes(base64.b64decode(event.b64_json))
    if event.type == "image_generation.completed":
        Path("streamed.png").write_bytes(base64.b64decode(event.b64_json))
