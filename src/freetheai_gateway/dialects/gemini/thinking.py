"""What the caller asks of reasoning, as `thinkingConfig`. Source: Gemini API documentation, "Thinking"."""

from freetheai_gateway.dialects.gemini.models import Budgets, Levels, Traits
from freetheai_gateway.domain.conversation import Reasoning

Config = dict[str, object]

_BUDGET_OF_EFFORT = {"minimal": 512, "low": 1024, "medium": 8192, "high": 24_576, "xhigh": 32_768, "max": 32_768}
_MEDIUM_FROM_TOKENS = 4096
_HIGH_FROM_TOKENS = 16_384
_MODEL_DECIDES = -1


def thinking_config(reasoning: Reasoning, traits: Traits, dropped: set[str]) -> Config | None:
    """Write the configuration; `None` where nothing was asked, or the model knows no thinking (then named)."""
    is_off = reasoning.enabled is False or reasoning.effort == "none"
    is_on = bool(reasoning.enabled or reasoning.effort or reasoning.budget_tokens or reasoning.summary) and not is_off
    if traits.thinking is None:
        if is_on:
            dropped.add("reasoning")
        return None
    if is_off:
        return _off(traits.thinking)
    if not is_on:
        return None
    config: Config = {"includeThoughts": reasoning.summary != "omitted"}
    return config | (
        _budget(reasoning, traits.thinking)
        if isinstance(traits.thinking, Budgets)
        else _level(reasoning, traits.thinking)
    )


def _off(thinking: Budgets | Levels) -> Config:
    """Write as little thinking as the model allows."""
    if isinstance(thinking, Budgets):
        return {"thinkingBudget": thinking.least}
    return {"thinkingLevel": thinking.lowest}


def _budget(reasoning: Reasoning, budgets: Budgets) -> Config:
    wanted = _BUDGET_OF_EFFORT.get(reasoning.effort or "", reasoning.budget_tokens)
    if wanted is None:
        return {"thinkingBudget": _MODEL_DECIDES} if reasoning.enabled else {}
    return {"thinkingBudget": min(max(wanted, budgets.least, budgets.smallest_effort), budgets.most)}


def _level(reasoning: Reasoning, levels: Levels) -> Config:
    """Write a level; an effort counts before a budget, which is put into the level that comes nearest."""
    names = {"minimal": levels.lowest, "low": "LOW", "medium": levels.medium, "high": "HIGH"}
    names |= {"xhigh": "HIGH", "max": "HIGH"}
    effort = reasoning.effort
    if effort not in names:
        effort = _effort_of(reasoning.budget_tokens)
    return {} if effort is None else {"thinkingLevel": names[effort]}


def _effort_of(budget: int | None) -> str | None:
    if budget is None:
        return None
    if budget < _MEDIUM_FROM_TOKENS:
        return "low"
    return "medium" if budget < _HIGH_FROM_TOKENS else "high"
