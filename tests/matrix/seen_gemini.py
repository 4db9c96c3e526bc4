"""Reads request bodies of Gemini `generateContent`."""

from freetheai_gateway import jsonc
from freetheai_gateway.testing.voices import Call
from tests.matrix.seen import Json, Seen, SeenResult, SeenTurn, merged

_decode: jsonc.Decoder[Json] = jsonc.Decoder(Json)
_ROLES = {"user": "user", "model": "assistant"}


def read_gemini(body: bytes) -> Seen:
    """Read a body of `POST …:generateContent`."""
    fields = _decode(body)
    config = fields.get("generationConfig") or {}
    declared = [one for tool in fields.get("tools", []) for one in tool.get("functionDeclarations", [])]
    system = (fields.get("systemInstruction") or {}).get("parts") or []
    thinking = config.get("thinkingConfig") or {}
    return Seen(
        turns=merged(_turn(content) for content in fields["contents"]),
        system="\n".join(part["text"] for part in system),
        tools={one["name"]: one.get("parametersJsonSchema") or one.get("parameters") or {} for one in declared},
        choice=_choice(fields),
        schema=config.get("responseJsonSchema") or config.get("responseSchema"),
        stop=tuple(config.get("stopSequences") or ()),
        max_tokens=config.get("maxOutputTokens"),
        thinks=thinking.get("includeThoughts") is True,
    )


def _choice(fields: Json) -> str:
    calling = (fields.get("toolConfig") or {}).get("functionCallingConfig") or {}
    names = calling.get("allowedFunctionNames") or []
    if calling.get("mode") == "ANY":
        return str(names[0]) if len(names) == 1 else "any"
    return "none" if calling.get("mode") == "NONE" else ""


def _turn(content: Json) -> SeenTurn:
    role = _ROLES[content["role"]]
    turn = SeenTurn(role)
    for part in content["parts"]:
        turn.join(_part(role, part))
        if part.get("thoughtSignature"):
            turn.signatures.append(part["thoughtSignature"])
    return turn


def _part(role: str, part: Json) -> SeenTurn:
    if part.get("thought"):
        return SeenTurn(role, thinking=part["text"])
    if "text" in part:
        return SeenTurn(role, text=part["text"])
    if "inlineData" in part:
        return SeenTurn(role, pictures=_pictures([part]))
    if "functionCall" in part:
        return SeenTurn(role, calls=[Call(part["functionCall"]["name"], part["functionCall"].get("args") or {})])
    response = part["functionResponse"]
    result = SeenResult(response["name"], jsonc.encode(response["response"]).decode(), "error" in response["response"])
    return SeenTurn(role, results=[result], pictures=_pictures(response.get("parts") or []))


def _pictures(parts: list[Json]) -> list[str]:
    data = [part["inlineData"] for part in parts]
    assert all(one["mimeType"] == "image/png" for one in data)
    return [one["data"] for one in data]
