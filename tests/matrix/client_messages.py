"""The Anthropic SDK."""

from typing import Any

import anthropic

from freetheai_gateway.testing.voices import Call, Spent
from tests.matrix.ask import Ask, Forecast, Result, Turn
from tests.matrix.heard import Heard, failures


def send(client: anthropic.Anthropic, model: str, ask: Ask, *, streamed: bool) -> Heard:
    """Ask as the SDK's documentation shows; the reply is read to its end."""
    fields = fields_of(ask) | {"model": model}
    with failures():
        if not streamed:
            method: Any = client.messages.parse if ask.forecast else client.messages.create
            return heard_from(method(**fields))
        with client.messages.stream(**fields) as stream:
            return heard_from(stream.get_final_message())


def fields_of(ask: Ask) -> dict[str, Any]:
    """Say what is asked as the SDK takes it."""
    fields: dict[str, Any] = {"messages": [_message(turn) for turn in ask.turns], "max_tokens": ask.max_tokens}
    if ask.system:
        fields["system"] = ask.system
    if ask.tools:
        fields["tools"] = [
            {"name": tool.name, "description": tool.description, "input_schema": tool.schema} for tool in ask.tools
        ]
    if ask.forced:
        fields["tool_choice"] = {"type": "tool", "name": ask.forced}
    if ask.stop:
        fields["stop_sequences"] = list(ask.stop)
    if ask.thinks:
        fields["thinking"] = {"type": "enabled", "budget_tokens": 2000}
    if ask.forecast:
        fields["output_format"] = Forecast
    return fields | ({"extra_body": ask.more} if ask.more else {})


def _message(turn: Turn) -> dict[str, Any]:
    if turn.replayed is not None:
        return {"role": "assistant", "content": turn.replayed}
    blocks: list[Any] = [_result(one) for one in turn.results]
    if turn.text:
        blocks.append({"type": "text", "text": turn.text})
    if turn.picture:
        blocks.append(_image(turn.picture))
    blocks += [{"type": "tool_use", "id": call.id, "name": call.name, "input": call.arguments} for call in turn.calls]
    return {"role": turn.role, "content": turn.text if blocks == [{"type": "text", "text": turn.text}] else blocks}


def _result(one: Result) -> dict[str, Any]:
    content: list[Any] = [{"type": "text", "text": one.text}]
    if one.picture:
        content.append(_image(one.picture))
    failed = {"is_error": True} if one.failed else {}
    return {"type": "tool_result", "tool_use_id": one.call.id, "content": content, **failed}


def _image(data: str) -> dict[str, Any]:
    return {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": data}}


def heard_from(message: Any) -> Heard:
    """Read a message as the SDK put it together."""
    blocks = message.content
    kinds = [block.type for block in blocks]
    assert not any(block.type == "text" and not block.text.strip() for block in blocks), "an empty text block"
    usage = message.usage
    read, written = usage.cache_read_input_tokens or 0, usage.cache_creation_input_tokens or 0
    details = usage.output_tokens_details
    return Heard(
        model=message.model,
        text="".join(block.text for block in blocks if block.type == "text"),
        calls=tuple(Call(block.name, block.input, block.id) for block in blocks if block.type == "tool_use"),
        thinking="".join(block.thinking for block in blocks if block.type == "thinking"),
        refusal="",
        stop=message.stop_reason,
        stop_sequence=message.stop_sequence,
        spent=Spent(
            input_tokens=usage.input_tokens + read + written,
            output_tokens=usage.output_tokens,
            cached_tokens=read,
            cache_written_tokens=written,
            reasoning_tokens=(details.thinking_tokens if details else 0) or 0,
        ),
        parsed=getattr(message, "parsed_output", None) if "text" in kinds else None,
        replay=blocks,
    )
