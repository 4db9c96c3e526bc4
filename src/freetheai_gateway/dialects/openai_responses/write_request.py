"""A conversation written as a request for an upstream that speaks Responses (OpenAI, llama.cpp, vLLM)."""

from collections.abc import Sequence
from dataclasses import dataclass

from freetheai_gateway.dialects.efforts import known_effort
from freetheai_gateway.dialects.openai_responses.fields import native_of
from freetheai_gateway.dialects.openai_responses.marks import INPUT, INSTRUCTIONS
from freetheai_gateway.dialects.openai_responses.pairing import paired
from freetheai_gateway.dialects.openai_responses.reasoning import OWN
from freetheai_gateway.dialects.openai_responses.write_items import ItemWriter
from freetheai_gateway.dialects.openai_responses.write_tools import (
    write_reasoning,
    write_text,
    write_tool_choice,
    write_tools,
)
from freetheai_gateway.dialects.protocol import DialectName, RenderedRequest, Target
from freetheai_gateway.dialects.tool_choice import with_reachable_choice
from freetheai_gateway.dialects.tool_names import restored_names
from freetheai_gateway.dialects.unsayable import has_cache_marks, refuse_unsayable_fields, told
from freetheai_gateway.domain.conversation import Conversation, Role, Text, Turn, VendorTool
from freetheai_gateway.errors import InvalidRequest
from freetheai_gateway.jsonc import encode

_UNSAYABLE = (
    "stop",
    "seed",
    "top_k",
    "presence_penalty",
    "frequency_penalty",
    "logit_bias",
    "logprobs",
    "top_logprobs",
)
"""Sampling fields that this dialect has no word for."""

_SAME_IN_CHAT = frozenset(
    {
        "metadata",
        "service_tier",
        "safety_identifier",
        "prompt_cache_key",
        "prompt_cache_options",
        "prompt_cache_retention",
        "moderation",
    }
)
"""Fields that Chat Completions has too, with the same meaning."""

_MAX_USER_LENGTH = 64


def render(conversation: Conversation, target: Target) -> RenderedRequest:
    """Write the request; never stored by the upstream. Raises `InvalidRequest` for what must not be left out."""
    own = conversation.dialect == OWN
    from_openai = own or conversation.dialect == DialectName.OPENAI_CHAT.value
    writer = ItemWriter(own=own, with_cache=from_openai, replay_reasoning=target.quirks.reasoning_replay)
    dropped = [] if own else _unsayable(conversation)
    if not own:
        conversation = with_reachable_choice(conversation, dropped.append)
    fields: dict[str, object] = {}
    if own:
        fields |= {**native_of(conversation.spelling), **native_of(conversation.native)}
    else:
        known = _SAME_IN_CHAT if from_openai else frozenset[str]()
        fields |= {name: value for name, value in conversation.native.items() if name in known}
        dropped += [name for name in told(native_of(conversation.native)) if name not in known]
        dropped += ["cache_control"] if not from_openai and has_cache_marks(conversation) else []
        fields |= _include(conversation)
    fields["model"] = target.model
    fields |= _instructions_and_input(conversation.turns, writer, own=own)
    fields |= _settings(conversation, own=own)
    if not own:
        _fit_effort(fields, target, dropped)
    fields |= _user(conversation, dropped, own=own)
    fields |= _cap(conversation, target)
    fields["store"] = False
    if conversation.streamed:
        fields["stream"] = True
    for name in target.quirks.drop:
        if fields.pop(name, None) is not None:
            dropped.append(name)
    return RenderedRequest(
        body=encode(fields),
        dropped=tuple(dict.fromkeys([*dropped, *writer.dropped])),
        names={} if own else restored_names(conversation),
    )


def _unsayable(conversation: Conversation) -> list[str]:
    refuse_unsayable_fields(conversation)
    sampling = conversation.sampling
    if (sampling.choices or 1) > 1:
        raise InvalidRequest("n must be 1 for this model: it gives one answer.", param="n")
    if sampling.max_tokens is not None and sampling.max_tokens < 1:
        raise InvalidRequest("max_tokens must be at least 1 with this model.", param="max_tokens")
    dropped = [name for name in _UNSAYABLE if _is_set(getattr(sampling, name))]
    tools = (tool for tool in conversation.tools if isinstance(tool, VendorTool) and tool.dialect != OWN)
    return dropped + [tool.kind for tool in tools]


def _is_set(value: object) -> bool:
    return value is not None and value is not False and value != ()


@dataclass(frozen=True, slots=True)
class _Split:
    instructions: str | None
    turns: Sequence[Turn]


def _instructions_and_input(turns: Sequence[Turn], writer: ItemWriter, *, own: bool) -> dict[str, object]:
    split = _own_split(turns) if own else _foreign_split(turns)
    fields: dict[str, object] = {}
    if split.instructions is not None:
        fields["instructions"] = split.instructions
    rest = split.turns
    if own and len(rest) == 1 and INPUT in rest[0].native:
        fields["input"] = _text_of(rest[0])
    elif rest or not own:
        fields["input"] = writer.write(rest if own else paired(rest))
    return fields


def _own_split(turns: Sequence[Turn]) -> _Split:
    if turns and INSTRUCTIONS in turns[0].native:
        return _Split(_text_of(turns[0]), turns[1:])
    return _Split(None, turns)


def _foreign_split(turns: Sequence[Turn]) -> _Split:
    """Make `instructions` of the system turns at the beginning, as far as they are text and not everything."""
    count = 0
    for turn in turns:
        if turn.role is not Role.SYSTEM or not all(isinstance(part, Text) for part in turn.parts):
            break
        count += 1
    if count == len(turns):
        return _Split(None, turns)
    text = "\n\n".join(filter(None, map(_text_of, turns[:count])))
    return _Split(text or None, turns[count:])


def _text_of(turn: Turn) -> str:
    return "\n\n".join(part.text for part in turn.parts if isinstance(part, Text))


def _settings(conversation: Conversation, *, own: bool) -> dict[str, object]:
    fields: dict[str, object] = {}
    tools = None if own else write_tools(conversation)
    if tools:
        fields["tools"] = tools
    if conversation.tool_choice is not None and (tools or own):
        fields["tool_choice"] = write_tool_choice(conversation.tool_choice, conversation)
    if conversation.parallel_tool_calls is not None and (tools or own):
        fields["parallel_tool_calls"] = conversation.parallel_tool_calls
    asked = {
        "text": write_text(conversation),
        "reasoning": write_reasoning(conversation),
        "temperature": conversation.sampling.temperature,
        "top_p": conversation.sampling.top_p,
    }
    return fields | {name: value for name, value in asked.items() if value is not None}


def _fit_effort(fields: dict[str, object], target: Target, dropped: list[str]) -> None:
    """Put the effort into one that the model knows."""
    reasoning = fields.get("reasoning")
    if not isinstance(reasoning, dict) or "effort" not in reasoning:
        return
    effort = known_effort(reasoning["effort"], target.quirks.efforts)
    if effort is None:
        dropped.append("reasoning.effort")
    rest = {name: value for name, value in reasoning.items() if name != "effort"}
    fields["reasoning"] = rest if effort is None else {**rest, "effort": effort}


def _user(conversation: Conversation, dropped: list[str], *, own: bool) -> dict[str, object]:
    user = conversation.user
    if user is None:
        return {}
    if not own and len(user) > _MAX_USER_LENGTH:
        dropped.append("user")
        return {}
    return {"user": user}


def _cap(conversation: Conversation, target: Target) -> dict[str, object]:
    wanted = conversation.sampling.max_tokens
    cap = wanted if wanted is not None else target.default_output_tokens
    if cap is None:
        return {}
    if target.max_output_tokens is not None:
        cap = min(cap, target.max_output_tokens)
    return {target.quirks.max_tokens_field or "max_output_tokens": cap}


def _include(conversation: Conversation) -> dict[str, object]:
    """Ask for what makes reasoning replayable, where the request says that the model reasons."""
    reasoning = conversation.reasoning
    if reasoning.effort in {None, "none"} and reasoning.budget_tokens is None and not reasoning.enabled:
        return {}
    return {"include": ["reasoning.encrypted_content"]}
