"""A neutral conversation, written as the body of `generateContent`. Source: Gemini API reference."""

from freetheai_gateway.dialects.gemini.contents import write_contents
from freetheai_gateway.dialects.gemini.models import Traits, traits_of
from freetheai_gateway.dialects.gemini.names import own_names
from freetheai_gateway.dialects.gemini.schema import response_schema
from freetheai_gateway.dialects.gemini.thinking import thinking_config
from freetheai_gateway.dialects.gemini.tools import write_tools
from freetheai_gateway.dialects.protocol import RenderedRequest, Target
from freetheai_gateway.dialects.tool_choice import with_reachable_choice
from freetheai_gateway.dialects.unsayable import has_cache_marks, refuse_unsayable_fields, told
from freetheai_gateway.domain.conversation import Conversation, OutputFormat, OutputKind, Sampling
from freetheai_gateway.errors import InvalidRequest
from freetheai_gateway.jsonc import encode

Body = dict[str, object]

MAX_STOP_SEQUENCES = 5

_JSON = "application/json"
_JSON_ONLY = "Answer with a single JSON object and nothing else: no explanation, no code fence."
_JSON_OF_SCHEMA = "Answer with JSON that follows this JSON Schema and nothing else, no code fence:\n"
_SEED_BITS = 0x7FFF_FFFF
_UNSAID = ("logprobs", "top_logprobs", "logit_bias")


def write_request(conversation: Conversation, target: Target) -> RenderedRequest:
    """Write the body; the model stands in the address. Raises `InvalidRequest` for what must be refused."""
    refuse_unsayable_fields(conversation)
    _refuse_unsayable(conversation.sampling)
    dropped = _unsaid(conversation)
    conversation = with_reachable_choice(conversation, dropped.add)
    traits = traits_of(target.model)
    instructions, contents = write_contents(conversation.turns, traits, dropped)
    tools = write_tools(conversation, dropped)
    config = _generation_config(conversation, target, dropped)
    config["thinkingConfig"] = thinking_config(conversation.reasoning, traits, dropped)
    output = conversation.output
    if output is not None and output.kind is not OutputKind.TEXT:
        if tools and not traits.json_with_tools:
            instructions.append({"text": _in_words(output)})
            dropped.add("response_format")
        else:
            config |= _output(output, traits)
    body: Body = {
        "contents": contents,
        "systemInstruction": {"parts": instructions} if instructions else None,
        **tools,
        "generationConfig": _without(config, target.quirks.drop, dropped),
    }
    return RenderedRequest(
        encode(_without(body, target.quirks.drop, dropped)), tuple(sorted(dropped)), own_names(conversation)
    )


def _without(fields: Body, unknown: tuple[str, ...], dropped: set[str]) -> Body | None:
    """Leave out what is not set, and (named) what the upstream rejects; `None` where nothing is left."""
    said = {name: value for name, value in fields.items() if value is not None}
    dropped.update(said.keys() & set(unknown))
    return {name: value for name, value in said.items() if name not in unknown} or None


def _refuse_unsayable(sampling: Sampling) -> None:
    if (sampling.choices or 1) > 1:
        raise InvalidRequest("This model gives one choice only.", code="invalid_value", param="n")
    if sampling.max_tokens is not None and sampling.max_tokens < 1:
        raise InvalidRequest("This model needs room for one token at least.", code="invalid_value", param="max_tokens")


def _unsaid(conversation: Conversation) -> set[str]:
    """Name the options that this dialect has no word for, or whose answer could not be passed on."""
    unsaid = set(told(conversation.native))
    unsaid.update(name for name in _UNSAID if getattr(conversation.sampling, name))
    unsaid.update(name for name in ("verbosity", "user") if getattr(conversation, name) is not None)
    if has_cache_marks(conversation):
        unsaid.add("cache_control")
    return unsaid


def _generation_config(conversation: Conversation, target: Target, dropped: set[str]) -> Body:
    sampling = conversation.sampling
    stop = [text for text in sampling.stop if text]
    if len(stop) > MAX_STOP_SEQUENCES:
        dropped.add("stop")
    return {
        "maxOutputTokens": _output_cap(sampling, target),
        "temperature": None if sampling.temperature is None else min(max(sampling.temperature, 0.0), 2.0),
        "topP": sampling.top_p,
        "topK": sampling.top_k,
        "stopSequences": stop[:MAX_STOP_SEQUENCES] or None,
        # 32 bits there, 64 at other vendors: the same seed stays the same number.
        "seed": None if sampling.seed is None else sampling.seed & _SEED_BITS,
        # Many models refuse even a penalty of nothing.
        "presencePenalty": sampling.presence_penalty or None,
        "frequencyPenalty": sampling.frequency_penalty or None,
    }


def _output_cap(sampling: Sampling, target: Target) -> int | None:
    wanted = target.default_output_tokens if sampling.max_tokens is None else sampling.max_tokens
    if wanted is None or target.max_output_tokens is None:
        return wanted
    return min(wanted, target.max_output_tokens)


def _output(output: OutputFormat, traits: Traits) -> Body:
    config: Body = {"responseMimeType": _JSON}
    if output.kind is OutputKind.JSON_SCHEMA and output.schema is not None:
        if traits.json_schema:
            config["responseJsonSchema"] = output.schema
        else:
            config["responseSchema"] = response_schema(output.schema)
    return config


def _in_words(output: OutputFormat) -> str:
    if output.kind is OutputKind.JSON_SCHEMA and output.schema is not None:
        return _JSON_OF_SCHEMA + bytes(output.schema).decode()
    return _JSON_ONLY
