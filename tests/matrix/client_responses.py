"""The OpenAI SDK, asking for responses."""

from typing import Any

import openai

from freetheai_gateway import jsonc
from freetheai_gateway.testing.voices import Call, Spent
from tests.matrix.ask import Ask, Forecast, Result, Turn
from tests.matrix.heard import Failed, Heard, failures

_decode_arguments: jsonc.Decoder[dict[str, object]] = jsonc.Decoder(dict[str, object])
_ENDS = {"response.completed", "response.incomplete", "response.failed"}


def send(client: openai.OpenAI, model: str, ask: Ask, *, streamed: bool) -> Heard:
    """Ask as the SDK's documentation shows; the reply is read to its end."""
    fields = fields_of(ask) | {"model": model}
    with failures():
        if not streamed:
            method: Any = client.responses.parse if ask.forecast else client.responses.create
            return heard_from(method(**fields))
        with client.responses.stream(**fields) as stream:
            events: list[Any] = list(stream)
    numbers = [event.sequence_number for event in events]
    assert numbers == sorted(set(numbers)), f"sequence numbers do not rise: {numbers}"
    assert events[-1].type in _ENDS, f"the stream ends in {events[-1].type}"
    return heard_from(events[-1].response)


def fields_of(ask: Ask) -> dict[str, Any]:
    """Say what is asked as the SDK takes it."""
    fields: dict[str, Any] = {"input": [item for turn in ask.turns for item in _items(turn)], "store": False}
    fields["max_output_tokens"] = ask.max_tokens
    if ask.system:
        fields["instructions"] = ask.system
    if ask.tools:
        fields["tools"] = [
            {
                "type": "function",
                "name": tool.name,
                "description": tool.description,
                "parameters": tool.schema,
                "strict": False,
            }
            for tool in ask.tools
        ]
    if ask.forced:
        fields["tool_choice"] = {"type": "function", "name": ask.forced}
    if ask.thinks:
        fields["reasoning"] = {"effort": "medium", "summary": "auto"}
        fields["include"] = ["reasoning.encrypted_content"]
    if ask.forecast:
        fields["text_format"] = Forecast
    more = ask.more | ({"stop": list(ask.stop)} if ask.stop else {})
    return fields | ({"extra_body": more} if more else {})


def _items(turn: Turn) -> list[Any]:
    if turn.replayed is not None:
        assert isinstance(turn.replayed, list)
        return turn.replayed
    if turn.role == "assistant":
        said = {"role": "assistant", "content": turn.text}
        calls = [
            {"type": "function_call", "call_id": call.id, "name": call.name, "arguments": call.json}
            for call in turn.calls
        ]
        return [*([said] if turn.text else []), *calls]
    parts: list[Any] = [{"type": "input_text", "text": turn.text}] if turn.text else []
    if turn.picture:
        parts.append(_image(turn.picture))
    message = {"role": "user", "content": parts if turn.picture else turn.text}
    return [*(_output(one) for one in turn.results), *([message] if parts else [])]


def _output(one: Result) -> dict[str, Any]:
    parts = [{"type": "input_text", "text": one.text}, *([_image(one.picture)] if one.picture else [])]
    return {
        "type": "function_call_output",
        "call_id": one.call.id,
        "output": parts if one.picture else one.text,
    }


def _image(data: str) -> dict[str, Any]:
    return {"type": "input_image", "image_url": f"data:image/png;base64,{data}", "detail": "auto"}


def heard_from(response: Any) -> Heard:
    """Read a response as the SDK put it together."""
    if response.status == "failed":
        raise Failed(None, response.error.code, response.error.message)
    parts = [part for item in response.output if item.type == "message" for part in item.content]
    reasoning = [item for item in response.output if item.type == "reasoning"]
    thoughts = [*(part for item in reasoning for part in [*item.summary, *(item.content or [])])]
    usage = response.usage
    assert usage.total_tokens == usage.input_tokens + usage.output_tokens
    reason = f":{response.incomplete_details.reason}" if response.incomplete_details else ""
    return Heard(
        model=response.model,
        text="".join(part.text for part in parts if part.type == "output_text"),
        calls=tuple(
            Call(item.name, _decode_arguments(item.arguments), item.call_id)
            for item in response.output
            if item.type == "function_call"
        ),
        thinking="".join(part.text for part in thoughts),
        refusal="".join(part.refusal for part in parts if part.type == "refusal"),
        stop=response.status + reason,
        stop_sequence=None,
        spent=Spent(
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens,
            cached_tokens=usage.input_tokens_details.cached_tokens,
            cache_written_tokens=getattr(usage.input_tokens_details, "cache_write_tokens", 0) or 0,
            reasoning_tokens=usage.output_tokens_details.reasoning_tokens,
        ),
        parsed=getattr(response, "output_parsed", None),
        replay=list(response.output),
    )
