"""What real clients send, as recorded, is understood and can be said to every upstream."""

from collections.abc import Mapping
from pathlib import Path

import msgspec
import pytest

from freetheai_gateway import jsonc
from freetheai_gateway.dialects.anthropic_messages import MessagesTranslator
from freetheai_gateway.dialects.gemini import Gemini
from freetheai_gateway.dialects.openai_chat import OpenAIChat
from freetheai_gateway.dialects.openai_responses import OpenAIResponses
from freetheai_gateway.dialects.protocol import RenderedRequest, Target, Translator, UpstreamTranslator
from freetheai_gateway.domain.conversation import Tool, ToolCall, ToolKind, ToolResult
from freetheai_gateway.domain.pools import Quirks
from freetheai_gateway.testing.voices import VOICES
from freetheai_gateway.testing.voices.voice import Object, decode_object, objects

FOLDER = Path(__file__).parents[2] / "golden" / "clients"
NAMES = sorted(path.stem for path in FOLDER.glob("*.json"))

CLIENTS: Mapping[str, Translator] = {
    "/v1/messages": MessagesTranslator(),
    "/v1/responses": OpenAIResponses(),
    "/v1/chat/completions": OpenAIChat(),
}
UPSTREAMS: Mapping[str, UpstreamTranslator] = {
    translator.name: translator for translator in (OpenAIChat(), MessagesTranslator(), OpenAIResponses(), Gemini())
}


class Golden(msgspec.Struct):
    """A recorded request; `tests/agents` says how it was cut."""

    target: str
    headers: dict[str, str]
    body: msgspec.Raw

    @property
    def dialect(self) -> Translator:
        """The dialect that the client speaks."""
        return CLIENTS[self.target.partition("?")[0]]


def golden(name: str) -> Golden:
    return jsonc.Decoder(Golden)((FOLDER / f"{name}.json").read_bytes())


def rendered(name: str, upstream: UpstreamTranslator) -> RenderedRequest:
    request = golden(name)
    target = Target(model="upstream-model", quirks=Quirks(), default_output_tokens=None, max_output_tokens=32000)
    return upstream.render(request.dialect.parse(bytes(request.body)), target)


@pytest.mark.parametrize("upstream", UPSTREAMS)
@pytest.mark.parametrize("name", NAMES)
def test_recorded_request_for_a_foreign_upstream_is_one_that_its_vendor_takes(name: str, upstream: str) -> None:
    """Every recorded request can be said in every other dialect without breaking one of its rules."""
    if golden(name).dialect.name != upstream:
        assert VOICES[upstream].complaints(rendered(name, UPSTREAMS[upstream]).body) == []


@pytest.mark.parametrize("name", NAMES)
def test_recorded_request_for_an_upstream_of_its_own_dialect_comes_back_whole(name: str) -> None:
    """Nothing of a recorded request is lost between reading and writing it, known to us or not."""
    request = golden(name)
    sent = decode_object(bytes(request.body))
    assert decode_object(rendered(name, request.dialect).body) == sent | {"model": "upstream-model"}


@pytest.mark.parametrize("name", NAMES)
def test_recorded_request_of_an_agent_holds_the_call_and_its_result(name: str) -> None:
    """The tool's call and its result are found as such, and belong together."""
    conversation = golden(name).dialect.parse(bytes(golden(name).body))
    parts = [part for turn in conversation.turns for part in turn.parts]
    calls = [part.id for part in parts if isinstance(part, ToolCall)]
    assert calls
    assert calls == [part.call_id for part in parts if isinstance(part, ToolResult)]


def test_instructions_behind_tools_in_the_input_stay_instructions() -> None:
    """The developer messages that follow an `additional_tools` item lead the conversation as the system's words."""
    body = decode_object(rendered("codex-namespaces", OpenAIChat()).body)
    first = objects(body["messages"])[0]
    assert first["role"] == "system"
    assert str(first["content"]).count("A text of") > 1


@pytest.mark.parametrize("upstream", ["openai_chat", "anthropic_messages", "gemini"])
def test_grammar_of_a_tool_of_free_text_is_told_where_it_cannot_be_enforced(upstream: str) -> None:
    """A model that only knows JSON tools has to learn the form of the text from the description."""
    tools = golden("codex-free-text").dialect.parse(bytes(golden("codex-free-text").body)).tools
    assert [tool.name for tool in tools if isinstance(tool, Tool) and tool.kind is ToolKind.CUSTOM] == ["apply_patch"]
    body: Object = decode_object(rendered("codex-free-text", UPSTREAMS[upstream]).body)
    assert "start: line+" in jsonc.encode(body["tools"]).decode()
