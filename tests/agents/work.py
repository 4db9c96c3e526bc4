"""What a model at work looks at in a request: the names of the tools it is offered, and the results of its calls."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from freetheai_gateway import jsonc
from freetheai_gateway.testing.voices.voice import Object, decode_object, objects


@dataclass(frozen=True, slots=True)
class Work:
    """`tools` are names, `results` the texts of the results, both in their order."""

    tools: list[str]
    results: list[str]


class _Reader(Protocol):
    def __call__(self, fields: Object) -> Iterator[str]: ...


def read_work(dialect: str, body: bytes) -> Work:
    """Read a request of an upstream's dialect."""
    fields = decode_object(body)
    tools, results = _READERS[dialect]
    return Work(list(tools(fields)), list(results(fields)))


def _messages_tools(fields: Object) -> Iterator[str]:
    for tool in objects(fields.get("tools")):
        yield str(tool["name"])


def _messages_results(fields: Object) -> Iterator[str]:
    for message in objects(fields.get("messages")):
        for block in objects(message.get("content")):
            if block.get("type") == "tool_result":
                yield _text(block.get("content"))


def _chat_tools(fields: Object) -> Iterator[str]:
    for tool in objects(fields.get("tools")):
        yield str(_object(tool.get("function"))["name"])


def _chat_results(fields: Object) -> Iterator[str]:
    for message in objects(fields.get("messages")):
        if message.get("role") == "tool":
            yield _text(message.get("content"))


def _gemini_tools(fields: Object) -> Iterator[str]:
    for tool in objects(fields.get("tools")):
        for declaration in objects(tool.get("functionDeclarations")):
            yield str(declaration["name"])


def _gemini_results(fields: Object) -> Iterator[str]:
    for content in objects(fields.get("contents")):
        for part in objects(content.get("parts")):
            if "functionResponse" in part:
                yield jsonc.encode(_object(part["functionResponse"]).get("response")).decode()


def _object(value: object) -> Object:
    return value if isinstance(value, dict) else {}


def _text(content: object) -> str:
    return content if isinstance(content, str) else " ".join(str(part.get("text", "")) for part in objects(content))


_READERS: Mapping[str, tuple[_Reader, _Reader]] = {
    "anthropic_messages": (_messages_tools, _messages_results),
    "openai_chat": (_chat_tools, _chat_results),
    "gemini": (_gemini_tools, _gemini_results),
}
