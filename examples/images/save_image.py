import base64
import os
from pathlib import Path

import requests

API_KEY = os.environ["FREETHEAI_API_KEY"]
API_BASE = "http://127.0.0.1:8000/v1"


def save_image_result(result, output_path):
    item = (result.get("data") or [{}])[0]
    if item.get("b64_json"):
        Path(output_path).write_bytes(base64.b64decode(item["b64_json"]))
        return
    if item.get("url"):
        image = requests.get(item["url"], timeout=120)
        image.raise_for_status()
        Path(output_path).write_bytes(image.content)
        return
    raise RuntimeError(f"No image found in response: {result}")


res = requests.post(
    f"{API_BASE}/images/generations",
    headers={
        "Authorization": f"Bearer {API_KEY}",
        "Content-Type": "application/json",
    },
    json={
        "model": "local/sketch",
        "prompt": "A clean product mockup on a dark desk",
    },
    timeout=180,
)
res.raise_for_status()
save_image_result(res.json(), "generated.png")
