"""What `generateContent` refuses. Source: Gemini API reference, "Content", "GenerationConfig", "Schema"."""

import re
from collections.abc import Iterator

from freetheai_gateway.testing.voices.voice import Object, decode_object, names, objects, unknown

_FIELDS = names(
    "contents systemInstruction tools toolConfig safetySettings generationConfig cachedContent model labels"
)
_CONFIG = names(
    "temperature topP topK maxOutputTokens stopSequences candidateCount seed presencePenalty frequencyPenalty"
    " responseLogprobs logprobs responseMimeType responseSchema responseJsonSchema responseModalities thinkingConfig"
    " imageConfig mediaResolution speechConfig"
)
_DATA = ("text", "inlineData", "fileData", "functionCall", "functionResponse", "executableCode", "codeExecutionResult")
_PART = frozenset({*_DATA, "thought", "thoughtSignature", "videoMetadata", "mediaResolution"})
_SCHEMA = names(
    "type format title description nullable enum items maxItems minItems properties required minProperties"
    " maxProperties minLength maxLength minimum maximum pattern example anyOf propertyOrdering default"
)
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.:-]{0,63}")
_MAX_STOPS = 5


def complaints(body: bytes) -> list[str]:
    """List what is wrong with a request."""
    fields = decode_object(body)
    config = fields.get("generationConfig", {})
    found = unknown("request", fields, _FIELDS)
    if isinstance(config, dict):
        found += unknown("generationConfig", config, _CONFIG)
        if len(config.get("stopSequences", [])) > _MAX_STOPS:
            found.append("generationConfig.stopSequences: at most 5")
        if isinstance(config.get("responseSchema"), dict):
            found += _schema("generationConfig.responseSchema", config["responseSchema"])
    contents = objects(fields.get("contents"))
    if not contents:
        found.append("contents is not specified")
    return [*found, *_contents(contents), *_tools(objects(fields.get("tools")))]


def _contents(contents: list[Object]) -> Iterator[str]:
    calls: list[object] = []
    for index, content in enumerate(contents):
        place, parts = f"contents[{index}]", objects(content.get("parts"))
        if content.get("role") not in {"user", "model"}:
            yield f"{place}: Please use a valid role: user, model."
        if not parts:
            yield f"{place}.parts: must not be empty"
        for part in parts:
            yield from unknown(place, part, _PART)
            if sum(name in part for name in _DATA) != 1:
                yield f"{place}: exactly one of the data fields must be initialized"
        answers = [response for part in parts if isinstance(response := part.get("functionResponse"), dict)]
        if [answer.get("name") for answer in answers] != calls:
            yield f"{place}: the function response parts do not match the function call parts {calls} before"
        yield from (f"{place}: response is no object" for one in answers if not isinstance(one.get("response"), dict))
        calls = [call.get("name") for part in parts if isinstance(call := part.get("functionCall"), dict)]
    if calls:
        yield "contents: the last function calls have no responses"


def _tools(tools: list[Object]) -> Iterator[str]:
    for tool in tools:
        for declaration in objects(tool.get("functionDeclarations")):
            name = str(declaration.get("name"))
            if not _NAME.fullmatch(name):
                yield f"tools: invalid function name {name}"
            parameters = declaration.get("parameters")
            if isinstance(parameters, dict):
                yield from _schema(f"tools.{name}", parameters)


def _schema(place: str, schema: Object) -> Iterator[str]:
    yield from unknown(place, schema, _SCHEMA)
    properties = schema.get("properties")
    children = [*objects(schema.get("anyOf")), *objects([schema.get("items")])]
    if isinstance(properties, dict):
        children += objects(list(properties.values()))
        required = schema.get("required", [])
        if isinstance(required, list):
            yield from (f"{place}: required {name} is no property" for name in required if name not in properties)
    if schema.get("type") in {"array", "ARRAY"} and "items" not in schema:
        yield f"{place}: items: missing field"
    for child in children:
        yield from _schema(place, child)
