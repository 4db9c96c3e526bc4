"""How much a model may think, as other dialects ask for it, put into `thinking` and `output_config.effort`."""

from dataclasses import dataclass

from freetheai_gateway.dialects.anthropic_messages.capabilities import Capabilities
from freetheai_gateway.dialects.anthropic_messages.foreign_turns import lacks_thinking
from freetheai_gateway.dialects.anthropic_messages.name import MESSAGES
from freetheai_gateway.dialects.anthropic_messages.request import filled_in_tokens
from freetheai_gateway.dialects.anthropic_messages.write_blocks import Block
from freetheai_gateway.dialects.protocol import Target
from freetheai_gateway.domain.conversation import Conversation, Reasoning, ToolMode

MINIMUM_BUDGET_TOKENS = 1024

_BUDGETS = {"minimal": 2048, "low": 2048, "medium": 8192, "high": 16384, "xhigh": 32000, "max": 32000}
_EFFORTS = {"minimal": "low", "low": "low", "medium": "medium", "high": "high", "xhigh": "xhigh", "max": "max"}
_EFFORT_FROM_BUDGET = ((16384, "high"), (4096, "medium"), (0, "low"))


@dataclass(frozen=True, slots=True)
class Thought:
    """`max_tokens` counts thinking too. `refused`: thinking was asked for and can't be had in this request."""

    max_tokens: int
    thinking: Block | None = None
    effort: str | None = None
    refused: bool = False

    @property
    def is_on(self) -> bool:
        """Whether the model is asked to think."""
        return self.thinking is not None and self.thinking["type"] != "disabled"


def plan_thinking(conversation: Conversation, target: Target, capabilities: Capabilities) -> Thought:
    """Decide how the model is asked to think, and how many tokens it may use for that and its answer."""
    reasoning = conversation.reasoning
    max_tokens = conversation.sampling.max_tokens
    if max_tokens is None:
        max_tokens = filled_in_tokens(target.default_output_tokens, target.max_output_tokens)
    max_tokens = _capped(max_tokens, target)
    if reasoning.enabled is False or reasoning.effort == "none":
        is_known = capabilities.adaptive_thinking or capabilities.manual_thinking
        return Thought(max_tokens, {"type": "disabled"} if is_known else None)
    if not (reasoning.enabled or reasoning.effort or reasoning.budget_tokens):
        return Thought(max_tokens)
    choice = conversation.tool_choice
    if max_tokens == 0 or (choice is not None and choice.mode is ToolMode.REQUIRED):
        return Thought(max_tokens, refused=True)
    if capabilities.adaptive_thinking:
        return Thought(max_tokens, {"type": "adaptive", **_display(reasoning)}, _effort(reasoning, capabilities))
    if not capabilities.manual_thinking or lacks_thinking(conversation.turns, MESSAGES):
        return Thought(max_tokens, refused=True)
    return _with_budget(reasoning, max_tokens, target)


def _with_budget(reasoning: Reasoning, max_tokens: int, target: Target) -> Thought:
    budget = reasoning.budget_tokens or _BUDGETS.get(reasoning.effort or "", _BUDGETS["medium"])
    budget = max(budget, MINIMUM_BUDGET_TOKENS)
    if max_tokens <= budget:
        max_tokens = _capped(budget + max_tokens, target)
    if max_tokens <= budget:
        budget = max(max_tokens // 2, MINIMUM_BUDGET_TOKENS)
    if max_tokens <= budget:
        return Thought(max_tokens, refused=True)
    return Thought(max_tokens, {"type": "enabled", "budget_tokens": budget})


def _capped(max_tokens: int, target: Target) -> int:
    return min(max_tokens, target.max_output_tokens) if target.max_output_tokens else max_tokens


def _effort(reasoning: Reasoning, capabilities: Capabilities) -> str | None:
    if reasoning.effort is not None:
        effort = _EFFORTS.get(reasoning.effort)
        return "high" if effort == "xhigh" and not capabilities.extended_effort else effort
    if reasoning.budget_tokens is None:
        return None
    return next(effort for floor, effort in _EFFORT_FROM_BUDGET if reasoning.budget_tokens >= floor)


def _display(reasoning: Reasoning) -> Block:
    if reasoning.summary is None:
        return {}
    return {"display": "omitted" if reasoning.summary == "omitted" else "summarized"}
