"""Everything of a Messages request that is neither turns nor tools, written as the caller said it."""

from collections.abc import Callable

from freetheai_gateway.domain.conversation import Conversation, OutputKind, Reasoning, ToolMode

Body = dict[str, object]

_CHOICES = {ToolMode.AUTO: "auto", ToolMode.REQUIRED: "any", ToolMode.NONE: "none"}


def write_options(conversation: Conversation) -> Body:
    """Write the options of a request that came in this dialect; fields that were not given are left out."""
    sampling = conversation.sampling
    options: Body = {
        "max_tokens": sampling.max_tokens,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "top_k": sampling.top_k,
        "stop_sequences": list(sampling.stop) or None,
        "stream": conversation.streamed or None,
        "tool_choice": write_tool_choice(conversation),
        "thinking": _thinking(conversation.reasoning),
        "output_config": _output_config(conversation),
        "metadata": None if conversation.user is None else {"user_id": conversation.user},
    }
    return {name: value for name, value in options.items() if value is not None}


def write_tool_choice(conversation: Conversation, sent_name: Callable[[str], str] = str) -> Body | None:
    """Write `tool_choice`; parallel calls are switched off in it, which needs a choice to stand in.

    `sent_name` gives the name that a tool has upstream.
    """
    choice = conversation.tool_choice
    single: Body = {"disable_parallel_tool_use": True} if conversation.parallel_tool_calls is False else {}
    if choice is None:
        return {"type": "auto", **single} if single else None
    if choice.mode is ToolMode.NONE:
        return {"type": "none"}
    if choice.mode is ToolMode.REQUIRED and len(choice.names) == 1:
        return {"type": "tool", "name": sent_name(choice.names[0]), **single}
    return {"type": _CHOICES[choice.mode], **single}


def _thinking(reasoning: Reasoning) -> Body | None:
    if reasoning.enabled is None:
        return None
    if not reasoning.enabled:
        return {"type": "disabled"}
    display: Body = {} if reasoning.summary is None else {"display": reasoning.summary}
    if reasoning.adaptive:
        return {"type": "adaptive", **display}
    budget: Body = {} if reasoning.budget_tokens is None else {"budget_tokens": reasoning.budget_tokens}
    return {"type": "enabled", **budget, **display}


def _output_config(conversation: Conversation) -> Body | None:
    config: Body = {}
    if conversation.reasoning.effort is not None:
        config["effort"] = conversation.reasoning.effort
    output = conversation.output
    if output is not None and output.kind is OutputKind.JSON_SCHEMA and "output_format" not in conversation.spelling:
        config["format"] = {"type": "json_schema", "schema": output.schema}
    return config or None
