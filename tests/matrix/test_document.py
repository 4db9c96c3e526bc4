"""`docs/dialects.md` says what the matrix shows, row by row."""

import re
from pathlib import Path

from freetheai_gateway.settings.load import load
from tests.matrix.document import PAGE, put_into
from tests.matrix.features import FEATURES
from tests.matrix.limits import LIMITS
from tests.matrix.scenarios import SCENARIOS

_BEYOND = {
    "thinking across two turns",
    "error before the first byte",
    "error in mid-stream",
    "upstream cut off without an end",
}
"""What is tested beside the scenarios."""


def test_page_when_compared_with_the_matrix_then_its_tables_are_fresh() -> None:
    """`python -m tests.matrix.document` writes them."""
    text = PAGE.read_text()
    assert put_into(text) == text


def test_features_when_compared_with_the_scenarios_then_none_is_missing() -> None:
    """No row without a test, no test without a row; limits are about rows that exist."""
    assert set(FEATURES) == {scenario.name for scenario in SCENARIOS} | _BEYOND
    assert {limit.scenario for limit in LIMITS} <= set(FEATURES)


def test_example_of_a_proxy_when_loaded_then_nothing_is_wrong_with_it(tmp_path: Path) -> None:
    """The configuration that puts another proxy behind the gateway."""
    (block,) = re.findall(r"^```toml\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    path = tmp_path / "freetheai.toml"
    path.write_text(block)
    models = load(path, {}).settings.models
    assert [model.upstreams[0].provider for model in models] == ["litellm", "openrouter"]
