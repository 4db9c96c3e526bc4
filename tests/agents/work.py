"""What a model at work looks at in a request: the tools it is offered, and the results of those it called."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from freetheai_gateway import jsonc
from freetheai_gateway.testing.voices.voice import Object, decode_object, objects


@dataclass(frozen=True, slots=True)
class Work:
    """`tools` are the parameters' schemas by name, `results` the texts of the results in their order."""

    tools: Mapping[str, Object]
    results: list[str]


def read_work(dialect: str, body: bytes) -> Work:
    """Read a request of a dialect."""
    fields = decode_object(body)
    tools, results = _READERS[dialect]
    return Work(dict(tools(fields)), list(results(fields)))


Tools = Callable[[Object], Iterator[tuple[str, Object]]]
Results = Callable[[Object], Iterator[str]]


def _messages_tools(fields: Object) -> Iterator[tuple[str, Object]]:
    for tool in objects(fields.get("tools")):
        yield str(tool["name"]), _object(tool.get("input_schema"))


def _messages_results(fields: Object) -> Iterator[str]:
    for message in objects(fields.get("messages")):
        for block in objects(message.get("content")):
            if block.get("type") == "tool_result":
                yield _text(block.get("content"))


def _chat_tools(fields: Object) -> Iterator[tuple[str, Object]]:
    for tool in objects(fields.get("tools")):
        function = _object(tool.get("function"))
        yield str(function["name"]), _object(function.get("parameters"))


def _chat_results(fields: Object) -> Iterator[str]:
    for message in objects(fields.get("messages")):
        if message.get("role") == "tool":
            yield _text(message.get("content"))


def _gemini_tools(fields: Object) -> Iterator[tuple[str, Object]]:
    for tool in objects(fields.get("tools")):
        for declaration in objects(tool.get("functionDeclarations")):
            schema = declaration.get("parameters") or declaration.get("parametersJsonSchema")
            yield str(declaration["name"]), _object(schema)


def _gemini_results(fields: Object) -> Iterator[str]:
    for content in objects(fields.get("contents")):
        for part in objects(content.get("parts")):
            if "functionResponse" in part:
                yield jsonc.encode(_object(part["functionResponse"]).get("response")).decode()


def _responses_tools(fields: Object) -> Iterator[tuple[str, Object]]:
    for tool in objects(fields.get("tools")):
        if tool.get("type") == "function":
            yield str(tool["name"]), _object(tool.get("parameters"))


def _responses_results(fields: Object) -> Iterator[str]:
    for item in objects(fields.get("input")):
        if item.get("type") == "function_call_output":
            yield _text(item.get("output"))


def _object(value: object) -> Object:
    return value if isinstance(value, dict) else {}


def _text(content: object) -> str:
    return content if isinstance(content, str) else " ".join(str(part.get("text", "")) for part in objects(content))


_READERS: Mapping[str, tuple[Tools, Results]] = {
    "anthropic_messages": (_messages_tools, _messages_results),
    "openai_chat": (_chat_tools, _chat_results),
    "openai_responses": (_responses_tools, _responses_results),
    "gemini": (_gemini_tools, _gemini_results),
}
