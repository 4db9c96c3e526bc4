"""Fixtures and rules that every tier of the suite shares."""

import os

from hypothesis import settings

# The same examples at every run where a change is judged; new ones at every run of a developer, and in `make fuzz`.
settings.register_profile("judged", derandomize=True)
if os.environ.get("CI"):
    settings.load_profile("judged")


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Name fresh keys and bytes by their argument: a test has the same name in every process and every run."""
    fresh = isinstance(val, str) and val[:4].lower() == "fta_"
    return argname if fresh or (isinstance(val, bytes) and not val.isascii()) else None
