"""A conversation as a chat request for an OpenAI-compatible upstream."""

from collections.abc import Mapping
from dataclasses import replace
from hashlib import sha256

from freetheai_gateway.dialects.efforts import known_effort
from freetheai_gateway.dialects.openai_chat.render_foreign import foreign_messages
from freetheai_gateway.dialects.openai_chat.render_own import own_messages
from freetheai_gateway.dialects.openai_chat.render_parts import Json, PartWriter
from freetheai_gateway.dialects.openai_chat.render_tools import render_tools
from freetheai_gateway.dialects.protocol import DialectName, RenderedRequest, Target
from freetheai_gateway.dialects.strictness import fits_strict
from freetheai_gateway.dialects.tool_choice import with_reachable_choice
from freetheai_gateway.dialects.tool_names import restored_names
from freetheai_gateway.dialects.unsayable import refuse_unsayable_fields, told
from freetheai_gateway.domain.conversation import Conversation, OutputFormat, OutputKind, Reasoning, Sampling
from freetheai_gateway.errors import InvalidRequest
from freetheai_gateway.jsonc import Decoder, Fields, InvalidJSON, Raw, write_fields

OLD_CAP, NEW_CAP = "max_tokens", "max_completion_tokens"
_MAX_STOPS = 4
_MAX_USER_LENGTH = 64
_MEDIUM_FROM_TOKENS = 4096
_HIGH_FROM_TOKENS = 16384
_SAME_IN_RESPONSES = frozenset(
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
"""Fields that Responses has too, with the same meaning."""

_decode_fields: Decoder[Fields] = Decoder(Fields)


def render(conversation: Conversation, target: Target) -> RenderedRequest:
    """Write a request. Raises `InvalidRequest` for what must be refused and not dropped."""
    writer = PartWriter(conversation.dialect, target.quirks.tool_id_length)
    if not writer.own:
        conversation = with_reachable_choice(conversation, writer.drop)
    fields: Json = {"model": target.model, "messages": _messages(conversation, target, writer)}
    fields |= _sampling(conversation.sampling, writer)
    fields |= render_tools(conversation, writer)
    fields |= _settings(conversation, target, writer)
    fields |= _native(conversation, writer)
    fields |= _caps(conversation, target, writer)
    if conversation.streamed:
        fields["stream"] = True
        fields["stream_options"] = _stream_options(conversation.spelling if writer.own else {})
    for name in target.quirks.drop:
        if fields.pop(name, None) is not None:
            writer.drop(name)
    return RenderedRequest(write_fields(fields), writer.dropped, restored_names(conversation))


def _messages(conversation: Conversation, target: Target, writer: PartWriter) -> list[Json]:
    if writer.own:
        return own_messages(conversation.turns, writer)
    return foreign_messages(conversation.turns, writer, target.quirks)


def _sampling(sampling: Sampling, writer: PartWriter) -> Json:
    written: Json = {
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "seed": sampling.seed,
        "presence_penalty": sampling.presence_penalty,
        "frequency_penalty": sampling.frequency_penalty,
        "n": sampling.choices,
        "logprobs": sampling.logprobs,
        "top_logprobs": sampling.top_logprobs,
        "logit_bias": sampling.logit_bias,
        "stop": list(sampling.stop if writer.own else _first_stops(sampling.stop, writer)) or None,
    }
    if sampling.top_k is not None and not writer.own:
        writer.drop("top_k")
    return _set(written)


def _first_stops(stop: tuple[str, ...], writer: PartWriter) -> tuple[str, ...]:
    usable = tuple(text for text in stop if text)
    if len(usable) > _MAX_STOPS:
        writer.drop("stop")
    return usable[:_MAX_STOPS]


def _settings(conversation: Conversation, target: Target, writer: PartWriter) -> Json:
    spelled = conversation.spelling if writer.own else {}
    user = None if "safety_identifier" in spelled else conversation.user
    if user is not None and not writer.own and len(user) > _MAX_USER_LENGTH:
        user = sha256(user.encode()).hexdigest()
    vendor_switch = "reasoning" in spelled or "thinking" in spelled
    return _set(
        {
            "response_format": _response_format(conversation.output, writer),
            "reasoning_effort": None if vendor_switch else _sent_effort(conversation.reasoning, target, writer),
            "verbosity": conversation.verbosity,
            "user": user,
        }
    )


def _response_format(output: OutputFormat | None, writer: PartWriter) -> Json | None:
    if output is None or (output.kind is OutputKind.TEXT and not writer.own):
        return None
    if output.kind is OutputKind.TEXT:
        return {"type": "text"}
    if output.kind is OutputKind.JSON:
        return {"type": "json_object"}
    if not writer.own and output.strict is None and output.schema is not None:
        output = replace(output, strict=fits_strict(output.schema))
    name = output.name if output.name is not None or writer.own else "answer"
    schema = {"name": name, "description": output.description, "schema": output.schema, "strict": output.strict}
    return {"type": "json_schema", "json_schema": _set(schema)}


def _sent_effort(reasoning: Reasoning, target: Target, writer: PartWriter) -> str | None:
    wanted = _effort(reasoning)
    if wanted is None or writer.own:
        return wanted
    effort = known_effort(wanted, target.quirks.efforts)
    if effort is None:
        writer.drop("reasoning_effort")
    return effort


def _effort(reasoning: Reasoning) -> str | None:
    """Give the effort; a budget in tokens stands for one, and thinking that is switched off is effort `none`."""
    if reasoning.effort is not None:
        return reasoning.effort
    if reasoning.enabled is False:
        return "none"
    budget = reasoning.budget_tokens
    if budget is None:
        return None
    if budget < _MEDIUM_FROM_TOKENS:
        return "low"
    return "medium" if budget < _HIGH_FROM_TOKENS else "high"


def _native(conversation: Conversation, writer: PartWriter) -> Mapping[str, object]:
    """Give what this dialect's own client wrote in its own way; name what another dialect's fields are lost."""
    if writer.own:
        spelled = dict(conversation.spelling)
        for name in (OLD_CAP, NEW_CAP, "stream_options"):
            spelled.pop(name, None)
        return {**conversation.native, **spelled}
    refuse_unsayable_fields(conversation)
    said = {name: conversation.native[name] for name in told(conversation.native)}
    same = _SAME_IN_RESPONSES if conversation.dialect == DialectName.OPENAI_RESPONSES else frozenset[str]()
    for name in said:
        if name not in same:
            writer.drop(name)
    return {name: value for name, value in said.items() if name in same}


def _caps(conversation: Conversation, target: Target, writer: PartWriter) -> Json:
    """Write the output cap under the one name that the upstream knows."""
    own_name = NEW_CAP if writer.own and NEW_CAP in conversation.spelling else OLD_CAP
    cap = conversation.sampling.max_tokens
    if cap is None:
        cap = target.default_output_tokens
    elif cap <= 0 and not writer.own:
        raise InvalidRequest("max_tokens must be at least 1 with this model.", param="max_tokens")
    if cap is None:
        return {name: value for name, value in conversation.spelling.items() if name in {OLD_CAP, NEW_CAP}}
    if target.max_output_tokens is not None:
        cap = min(cap, target.max_output_tokens)
    return {target.quirks.max_tokens_field or own_name: cap}


def _stream_options(spelling: Mapping[str, Raw]) -> Json:
    try:
        options: Json = dict(_decode_fields(spelling.get("stream_options", b"{}")))
    except InvalidJSON:
        options = {}
    return {**options, "include_usage": True}


def _set(fields: Mapping[str, object]) -> Json:
    return {name: value for name, value in fields.items() if value is not None}
