"""The OpenAI SDK, asking for chat completions."""

from typing import Any

import openai
from openai.types.chat import ChatCompletion

from freetheai_gateway import jsonc
from freetheai_gateway.testing.voices import Call, Spent
from tests.matrix.ask import Ask, Forecast, Turn
from tests.matrix.heard import Heard, failures

_decode_arguments: jsonc.Decoder[dict[str, object]] = jsonc.Decoder(dict[str, object])


def send(client: openai.OpenAI, model: str, ask: Ask, *, streamed: bool) -> Heard:
    """Ask as the SDK's documentation shows; the reply is read to its end."""
    fields = fields_of(ask) | {"model": model}
    with failures():
        if not streamed:
            method: Any = client.chat.completions.parse if ask.forecast else client.chat.completions.create
            return heard_from(method(**fields))
        fields["stream_options"] = {"include_usage": True}
        with client.chat.completions.stream(**fields) as stream:
            stream.until_done()
            # `get_final_completion` raises where the answer was cut short or filtered; the snapshot tells how.
            snapshot = stream.current_completion_snapshot
            ended = snapshot.choices[0].finish_reason in {"stop", "tool_calls"}
            return heard_from(stream.get_final_completion() if ended else snapshot)


def fields_of(ask: Ask) -> dict[str, Any]:
    """Say what is asked as the SDK takes it."""
    fields: dict[str, Any] = {"messages": [*_system(ask), *(m for turn in ask.turns for m in _messages(turn))]}
    fields["max_completion_tokens"] = ask.max_tokens
    if ask.tools:
        fields["tools"] = [
            {
                "type": "function",
                "function": {"name": tool.name, "description": tool.description, "parameters": tool.schema},
            }
            for tool in ask.tools
        ]
    if ask.forced:
        fields["tool_choice"] = {"type": "function", "function": {"name": ask.forced}}
    if ask.stop:
        fields["stop"] = list(ask.stop)
    if ask.thinks:
        fields["reasoning_effort"] = "medium"
    if ask.forecast:
        fields["response_format"] = Forecast
    return fields | ({"extra_body": ask.more} if ask.more else {})


def _system(ask: Ask) -> list[Any]:
    return [{"role": "system", "content": ask.system}] if ask.system else []


def _messages(turn: Turn) -> list[Any]:
    if turn.replayed is not None:
        return [turn.replayed]
    if turn.role == "assistant":
        calls = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.json}}
            for call in turn.calls
        ]
        return [{"role": "assistant", "content": turn.text or None, **({"tool_calls": calls} if calls else {})}]
    # A tool message holds text only: a picture of a tool comes after the results, in a user message.
    results = [{"role": "tool", "tool_call_id": one.call.id, "content": one.text} for one in turn.results]
    pictures = [one.picture for one in turn.results if one.picture] + ([turn.picture] if turn.picture else [])
    parts: list[Any] = [{"type": "text", "text": turn.text}] if turn.text else []
    parts += [{"type": "image_url", "image_url": {"url": f"data:image/png;base64,{data}"}} for data in pictures]
    if not parts:
        return results
    return [*results, {"role": "user", "content": parts if pictures else turn.text}]


def heard_from(completion: ChatCompletion) -> Heard:
    """Read a completion as the SDK put it together."""
    assert len(completion.choices) == 1
    choice = completion.choices[0]
    message = choice.message
    usage = completion.usage
    assert usage is not None
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens
    prompt, output = usage.prompt_tokens_details, usage.completion_tokens_details
    calls = tuple(
        Call(call.function.name, _decode_arguments(call.function.arguments), call.id)
        for call in message.tool_calls or []
        if call.type == "function"
    )
    return Heard(
        model=completion.model,
        text=message.content or "",
        calls=calls,
        thinking=getattr(message, "reasoning_content", None) or "",
        refusal=message.refusal or "",
        stop=choice.finish_reason,
        stop_sequence=None,
        spent=Spent(
            input_tokens=usage.prompt_tokens,
            output_tokens=usage.completion_tokens,
            cached_tokens=(prompt.cached_tokens if prompt else 0) or 0,
            cache_written_tokens=getattr(prompt, "cache_write_tokens", 0) or 0,
            reasoning_tokens=(output.reasoning_tokens if output else 0) or 0,
        ),
        parsed=getattr(message, "parsed", None),
        replay=message,
    )
