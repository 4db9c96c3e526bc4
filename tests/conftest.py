"""Fixtures that every tier of the suite shares."""

import os

from hypothesis import settings

# The same examples at every run where a change is judged; new ones at every run of a developer, and in `make fuzz`.
settings.register_profile("judged", derandomize=True)
if os.environ.get("CI"):
    settings.load_profile("judged")
