"""The samples of the pages: read as a page shows them, and run as a reader pastes them."""

import html
import os
import re
import subprocess
import sys
from pathlib import Path

from tests.e2e.gateway import Gateway, Key
from tests.e2e.wire import call


def samples_of(gateway: Gateway, path: str) -> dict[str, str]:
    """Read the samples as a page shows them."""
    text = call(gateway, "GET", path, headers={"accept": "text/html"}).body.decode()
    blocks = re.findall(r'<pre data-sample="([\w-]+)"[^>]*><code>(.*?)</code>', text, re.DOTALL)
    return {name: html.unescape(block) for name, block in blocks}


def run_sample(name: str, text: str, key: Key, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a sample in the language that its name ends in."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "FREETHEAI_API_KEY": key.secret}
    if name.endswith("javascript"):
        (folder / "node_modules").symlink_to(Path(sys.prefix) / "node" / "node_modules")
        (folder / "sample.mjs").write_text(text)
        command = ["node", "sample.mjs"]
    else:
        command = [sys.executable, "-c", text] if name.endswith("python") else ["bash", "-c", text]
    return subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, timeout=40, check=False)
