"""Tools of free text with a grammar, which only OpenAI's dialects know: none of it is lost on the way to the others."""

import pytest

from freetheai_gateway import jsonc
from freetheai_gateway.dialects.anthropic_messages import MessagesTranslator
from freetheai_gateway.dialects.custom_tools import description
from freetheai_gateway.dialects.gemini import Gemini
from freetheai_gateway.dialects.openai_chat import OpenAIChat
from freetheai_gateway.dialects.openai_responses import OpenAIResponses
from freetheai_gateway.dialects.protocol import Target, UpstreamTranslator
from freetheai_gateway.domain.conversation import Grammar, Tool, ToolKind
from freetheai_gateway.domain.pools import Quirks

GRAMMAR = {"syntax": "lark", "definition": "start: WORD"}
BODY = {
    "model": "m",
    "messages": [{"role": "user", "content": "Go."}],
    "tools": [
        {"type": "custom", "custom": {"name": "edit", "format": {"type": "grammar", "grammar": GRAMMAR}}},
    ],
}


@pytest.mark.parametrize("upstream", [MessagesTranslator(), Gemini(), OpenAIResponses()], ids=lambda one: one.name)
def test_grammar_of_a_chat_client_reaches_every_upstream(upstream: UpstreamTranslator) -> None:
    """As a grammar where there are any, else in the description."""
    rendered = upstream.render(OpenAIChat().parse(jsonc.encode(BODY)), Target("up", Quirks()))
    assert "start: WORD" in rendered.body.decode()
    assert rendered.dropped == ()


@pytest.mark.parametrize(
    "form", [{"type": "text"}, {"type": "grammar", "grammar": {**GRAMMAR, "more": 1}}, {"type": "grammar"}, "odd"]
)
def test_form_that_is_no_plain_grammar_comes_back_as_it_was(form: object) -> None:
    """What is not documented, or documented otherwise one day, survives between two ends of the same dialect."""
    body = {**BODY, "tools": [{"type": "custom", "custom": {"name": "edit", "format": form}}]}
    rendered = OpenAIChat().render(OpenAIChat().parse(jsonc.encode(body)), Target("m", Quirks()))
    assert jsonc.decode_any(rendered.body) == body


def test_description_without_words_or_grammar_says_that_the_input_is_free_text() -> None:
    """The model always learns what the one parameter holds."""
    assert description(Tool("edit", kind=ToolKind.CUSTOM)) == "The input is free text."
    told = description(Tool("edit", "Edits.", kind=ToolKind.CUSTOM, grammar=Grammar("regex", "[a-z]+")))
    assert told == "Edits.\nThe input is text that follows this regex grammar:\n[a-z]+"
