"""What a Gemini model takes, told by the beginning of its name: the one place where generations differ.

Sources: Gemini API documentation, "Thinking" (budgets and levels per model), "Thought signatures", "Structured
outputs", "Function calling" (multimodal responses).
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Budgets:
    """Thinking is capped in tokens (generation 2.5). `least` = 0: it can be switched off."""

    least: int
    most: int
    smallest_effort: int = 0
    """The least that is not off, where that is more than the effort's own budget."""


@dataclass(frozen=True, slots=True)
class Levels:
    """Thinking is set by a level (generation 3 and later); it can't be switched off, only put to the `lowest`."""

    lowest: str = "MINIMAL"
    medium: str = "MEDIUM"
    """What is sent for a medium effort."""


@dataclass(frozen=True, slots=True)
class Traits:
    """`thinking`: how it is asked for; `None` = the model knows no thinking.

    `json_schema`: takes `responseJsonSchema`, else only the subset in `responseSchema`.
    `json_with_tools`: takes a JSON answer and functions together.
    `media_in_results`: takes pictures inside a function's response.
    `wants_signatures`: refuses calls in the history that have lost their thought signature.
    """

    thinking: Budgets | Levels | None = None
    json_schema: bool = True
    json_with_tools: bool = False
    media_in_results: bool = False
    wants_signatures: bool = False


def _third(lowest: str = "MINIMAL", medium: str = "MEDIUM") -> Traits:
    return Traits(Levels(lowest, medium), json_with_tools=True, media_in_results=True, wants_signatures=True)


_BEFORE_THINKING = Traits(json_schema=False)

_BY_PREFIX = (
    ("gemini-1", _BEFORE_THINKING),
    ("gemini-2.0", _BEFORE_THINKING),
    ("gemini-2.5-flash-image", Traits()),
    ("gemini-2.5-pro", Traits(Budgets(least=128, most=32_768))),
    ("gemini-2.5-flash-lite", Traits(Budgets(least=0, most=24_576, smallest_effort=512))),
    ("gemini-2.5", Traits(Budgets(least=0, most=24_576))),
    ("gemini-robotics", Traits(Budgets(least=0, most=24_576))),
    ("gemini-3-pro", _third(lowest="LOW", medium="HIGH")),
    ("gemini-3.1-pro", _third(lowest="LOW")),
    ("gemini-pro", _third(lowest="LOW")),
    ("gemini-", _third()),
    ("", _BEFORE_THINKING),
)
"""First match wins. A name without a number (`gemini-flash-latest`) is of the newest generation; what is no Gemini
(Gemma, tuned models, other vendors behind the same API) is taken to know what all have known."""


def traits_of(model: str) -> Traits:
    """Find the traits of a model; a path before its name (`models/…`) does not count."""
    name = model.rpartition("/")[2].lower()
    return next(traits for prefix, traits in _BY_PREFIX if name.startswith(prefix))
