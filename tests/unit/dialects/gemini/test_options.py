"""Tools, sampling, structured output and reasoning, in Gemini's words."""

import pytest

from freetheai_gateway.domain.conversation import (
    OutputFormat,
    OutputKind,
    Reasoning,
    Sampling,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolMode,
    VendorTool,
)
from freetheai_gateway.domain.pools import Quirks
from freetheai_gateway.errors import InvalidRequest
from freetheai_gateway.jsonc import Raw, decode_any, encode_raw
from tests.unit.dialects.gemini.judge import (
    HELLO,
    NEW,
    OLD,
    WEATHER,
    Body,
    body_of,
    check,
    config_of,
    model,
    rendered,
    talk,
    user,
)

# --- tools ----------------------------------------------------------------------------------------------------


def test_bug_110_names_that_are_refused_then_are_mended_and_restored() -> None:
    """First characters, bad ones and lengths; each name stays apart from the others."""
    names = ["1st", "_1st", "a.b", "a:b", "ok_name-1", "x" * 80, "9" * 80, "é"]
    result = rendered(talk(tools=(*(Tool(name) for name in names), Tool("run", namespace="ns"))))
    body = decode_any(result.body)
    assert isinstance(body, dict)
    check(body)
    sent = [tool["name"] for tool in body["tools"][0]["functionDeclarations"]]
    assert len(set(sent)) == len(names) + 1
    assert all(len(name) <= 64 and (name[0].isalpha() or name[0] == "_") and name.isascii() for name in sent)
    assert [result.names.get(name, name) for name in sent] == [*names, "ns__run"]
    assert "ok_name-1" in sent


def test_declaration_then_has_parameters_only_where_there_are_some() -> None:
    """An empty object is refused there; names may stand only once; other vendors' own tools are left out."""
    vendor = VendorTool("anthropic_messages", "web_search_20250305", Raw(b"{}"))
    result = rendered(talk(tools=(WEATHER, Tool("now", None, encode_raw({"type": "object"})), WEATHER, vendor)))
    body = decode_any(result.body)
    assert isinstance(body, dict)
    weather = {"type": "object", "properties": {"city": {"type": "string"}}}
    assert body["tools"] == [
        {
            "functionDeclarations": [
                {"name": "get_weather", "description": "Tells it.", "parameters": weather},
                {"name": "now"},
            ]
        }
    ]
    assert result.dropped == ("web_search_20250305",)


@pytest.mark.parametrize(
    ("choice", "config", "declared"),
    [
        (None, None, 2),
        (ToolChoice(ToolMode.AUTO), {"mode": "AUTO"}, 2),
        (ToolChoice(ToolMode.NONE), {"mode": "NONE"}, 2),
        (ToolChoice(ToolMode.REQUIRED), {"mode": "ANY"}, 2),
        (ToolChoice(ToolMode.REQUIRED, ("a.b",)), {"mode": "ANY", "allowedFunctionNames": ["SENT"]}, 2),
        (ToolChoice(ToolMode.AUTO, ("a.b",)), {"mode": "AUTO"}, 1),
    ],
)
def test_tool_choice_then_is_a_calling_config(choice: ToolChoice | None, config: Body | None, declared: int) -> None:
    """Where a call is not demanded, names can't be allowed: the other tools are left out."""
    body = body_of(talk(tools=(Tool("a.b"), Tool("c")), tool_choice=choice))
    tools = body["tools"][0]["functionDeclarations"]
    expected = None if config is None else {**config}
    if expected is not None and "allowedFunctionNames" in expected:
        expected["allowedFunctionNames"] = [tools[0]["name"]]
    assert len(tools) == declared
    assert body.get("toolConfig", {}).get("functionCallingConfig") == expected


def test_tool_choice_without_tools_then_is_left_out() -> None:
    """And named where it demanded one."""
    result = rendered(talk(tool_choice=ToolChoice(ToolMode.REQUIRED)))
    assert b"toolConfig" not in result.body
    assert result.dropped == ("tool_choice",)


# --- options --------------------------------------------------------------------------------------------------


def test_sampling_then_has_the_names_of_gemini() -> None:
    """What has none is named as dropped."""
    sampling = Sampling(
        max_tokens=100,
        temperature=3.0,
        top_p=0.5,
        top_k=7,
        stop=("a", "", "b", "c", "d", "e", "f"),
        seed=2**40 + 5,
        presence_penalty=0.5,
        frequency_penalty=0.0,
        choices=1,
        logprobs=True,
        top_logprobs=3,
        logit_bias=Raw(b"{}"),
    )
    conversation = talk(sampling=sampling, user="u", verbosity="low", native={"store": Raw(b"true")})
    assert body_of(conversation)["generationConfig"] == {
        "maxOutputTokens": 100,
        "temperature": 2.0,
        "topP": 0.5,
        "topK": 7,
        "stopSequences": ["a", "b", "c", "d", "e"],
        "seed": 5,
        "presencePenalty": 0.5,
    }
    dropped = ("logit_bias", "logprobs", "stop", "store", "top_logprobs", "user", "verbosity")
    assert rendered(conversation).dropped == dropped


@pytest.mark.parametrize(
    ("asked", "default", "most", "expected"),
    [(None, None, 50, None), (None, 30, 50, 30), (100, 30, 50, 50), (100, None, None, 100), (None, 90, 50, 50)],
)
def test_output_cap_then_keeps_within_the_models(
    asked: int | None, default: int | None, most: int | None, expected: int | None
) -> None:
    """The default of the configuration stands in for the request's."""
    target = {"default_output_tokens": default, "max_output_tokens": most}
    assert config_of(sampling=Sampling(max_tokens=asked), target=target).get("maxOutputTokens") == expected


@pytest.mark.parametrize(("sampling", "param"), [(Sampling(choices=2), "n"), (Sampling(max_tokens=0), "max_tokens")])
def test_option_that_would_change_the_answer_then_is_refused(sampling: Sampling, param: str) -> None:
    """With its name."""
    with pytest.raises(InvalidRequest) as caught:
        rendered(talk(sampling=sampling))
    assert caught.value.param == param


def test_quirks_then_leave_out_what_an_upstream_rejects() -> None:
    """Top-level fields and those of `generationConfig`, by Gemini's names."""
    conversation = talk(
        sampling=Sampling(presence_penalty=1.0), tools=(WEATHER,), tool_choice=ToolChoice(ToolMode.AUTO)
    )
    result = rendered(conversation, quirks=Quirks(drop=("presencePenalty", "toolConfig")))
    assert b"presencePenalty" not in result.body
    assert b"toolConfig" not in result.body
    assert b"generationConfig" not in result.body
    assert result.dropped == ("presencePenalty", "toolConfig")


ANSWER = {"type": "object", "properties": {"n": {"const": 1}}, "additionalProperties": False}


def test_response_format_then_is_a_mime_type_and_a_schema() -> None:
    """The whole schema where the model knows it, the subset where not."""
    as_json = OutputFormat(OutputKind.JSON)
    of_schema = OutputFormat(OutputKind.JSON_SCHEMA, encode_raw(ANSWER), "answer")
    assert config_of(output=OutputFormat(OutputKind.TEXT)) == {}
    assert config_of(output=as_json) == {"responseMimeType": "application/json"}
    assert config_of(output=of_schema) == {"responseMimeType": "application/json", "responseJsonSchema": ANSWER}
    older = config_of("gemini-2.0-flash", output=of_schema)
    assert older["responseSchema"]["properties"] == {"n": {"type": "string", "enum": ["1"]}}


def test_response_format_with_tools_then_is_in_words_for_older_models() -> None:
    """They refuse both together; newer ones take both."""
    for form in (OutputFormat(OutputKind.JSON), OutputFormat(OutputKind.JSON_SCHEMA, encode_raw(ANSWER))):
        conversation = talk(output=form, tools=(WEATHER,))
        old = body_of(conversation, OLD)
        assert "generationConfig" not in old
        assert "JSON" in old["systemInstruction"]["parts"][-1]["text"]
        assert rendered(conversation, OLD).dropped == ("response_format",)
        assert body_of(conversation)["generationConfig"]["responseMimeType"] == "application/json"


@pytest.mark.parametrize(
    ("name", "reasoning", "expected"),
    [
        (OLD, Reasoning(), None),
        (OLD, Reasoning(effort="none"), {"thinkingBudget": 0}),
        (OLD, Reasoning(effort="low"), {"includeThoughts": True, "thinkingBudget": 1024}),
        (OLD, Reasoning(effort="medium"), {"includeThoughts": True, "thinkingBudget": 8192}),
        (OLD, Reasoning(effort="high"), {"includeThoughts": True, "thinkingBudget": 24576}),
        (OLD, Reasoning(effort="max"), {"includeThoughts": True, "thinkingBudget": 24576}),
        (OLD, Reasoning(enabled=False), {"thinkingBudget": 0}),
        (OLD, Reasoning(enabled=True, budget_tokens=5000), {"includeThoughts": True, "thinkingBudget": 5000}),
        (OLD, Reasoning(enabled=True, adaptive=True), {"includeThoughts": True, "thinkingBudget": -1}),
        (OLD, Reasoning(summary="auto"), {"includeThoughts": True}),
        (OLD, Reasoning(effort="low", summary="omitted"), {"includeThoughts": False, "thinkingBudget": 1024}),
        ("gemini-2.5-pro", Reasoning(effort="none"), {"thinkingBudget": 128}),
        ("gemini-2.5-pro", Reasoning(effort="max"), {"includeThoughts": True, "thinkingBudget": 32768}),
        ("gemini-2.5-flash-lite", Reasoning(budget_tokens=100), {"includeThoughts": True, "thinkingBudget": 512}),
        ("models/gemini-3-flash-preview", Reasoning(effort="none"), {"thinkingLevel": "MINIMAL"}),
        ("gemini-3-flash-preview", Reasoning(effort="minimal"), {"includeThoughts": True, "thinkingLevel": "MINIMAL"}),
        ("gemini-3-flash-preview", Reasoning(effort="medium"), {"includeThoughts": True, "thinkingLevel": "MEDIUM"}),
        (NEW, Reasoning(effort="none"), {"thinkingLevel": "LOW"}),
        (NEW, Reasoning(effort="low"), {"includeThoughts": True, "thinkingLevel": "LOW"}),
        (NEW, Reasoning(effort="xhigh"), {"includeThoughts": True, "thinkingLevel": "HIGH"}),
        (NEW, Reasoning(effort="low", budget_tokens=30000), {"includeThoughts": True, "thinkingLevel": "LOW"}),
        (NEW, Reasoning(enabled=True, budget_tokens=2000), {"includeThoughts": True, "thinkingLevel": "LOW"}),
        (NEW, Reasoning(enabled=True, budget_tokens=30000), {"includeThoughts": True, "thinkingLevel": "HIGH"}),
        (NEW, Reasoning(enabled=True, adaptive=True), {"includeThoughts": True}),
        ("gemini-flash-latest", Reasoning(effort="high"), {"includeThoughts": True, "thinkingLevel": "HIGH"}),
        ("gemini-2.0-flash", Reasoning(effort="none"), None),
    ],
)
def test_bug_94_reasoning_then_is_a_budget_or_a_level(name: str, reasoning: Reasoning, expected: Body | None) -> None:
    """Which of the two is data by the model's name; an effort counts before a budget."""
    assert config_of(name, reasoning=reasoning).get("thinkingConfig") == expected


@pytest.mark.parametrize("name", ["gemini-2.0-flash", "gemini-1.5-pro", "gemma-3-27b-it", "gemini-2.5-flash-image"])
def test_reasoning_for_models_without_it_then_is_named_as_dropped(name: str) -> None:
    """They refuse the field."""
    assert rendered(talk(reasoning=Reasoning(effort="high")), name).dropped == ("reasoning",)


def test_rendering_twice_then_gives_the_same_bytes() -> None:
    """Prompt caches live on that."""
    conversation = talk(HELLO, model(ToolCall("", "f", "{}")), user(Text("x")), tools=(WEATHER,))
    assert rendered(conversation).body == rendered(conversation).body
