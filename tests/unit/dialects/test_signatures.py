"""What travels through another dialect: signatures, tool names and ids, free-text tools."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freetheai_gateway.dialects import custom_tools, signatures
from freetheai_gateway.dialects.tool_names import restored_names, safe
from freetheai_gateway.domain.conversation import Conversation, Role, Tool, ToolCall, Turn


@given(st.sampled_from(["gemini", "openai_responses", ""]), st.text())
def test_read_gives_back_what_was_minted(vendor: str, payload: str) -> None:
    """Dots in the payload too."""
    assert signatures.read(signatures.mint(vendor, payload)) == (vendor, payload)


@pytest.mark.parametrize("signature", ["", "Eq==", "fta1.", "fta1.gemini", "fta2.gemini.x"])
def test_read_knows_only_what_was_minted_here(signature: str) -> None:
    """Everything else belongs to the vendor of the dialect it came in."""
    assert signatures.read(signature) is None


@given(st.text(max_size=90), st.text(max_size=90))
def test_safe_names_keep_the_rules_and_stay_apart(one: str, other: str) -> None:
    """Good ones are not touched; putting one in form twice changes nothing more."""
    for text in (one, other):
        found = safe(text)
        assert 0 < len(found) <= 64
        assert safe(found) == found
    assert (safe(one) == safe(other)) is (one == other)


@pytest.mark.parametrize(("one", "other"), [("a.b", "a:b"), ("x" * 70, "x" * 71), ("\ud83d", "a"), ("", "_")])
def test_safe_names_that_look_alike_do_not_collide(one: str, other: str) -> None:
    """A digest of the original keeps them apart."""
    assert safe(one) != safe(other)


def test_restored_names_cover_tools_and_history() -> None:
    """Only those that changed."""
    turn = Turn(Role.ASSISTANT, (ToolCall("1", "old.tool", "{}"),))
    conversation = Conversation("m", (turn,), tools=(Tool("plain"), Tool("a.b"), Tool("c.d", namespace="n")))
    names = {safe("a.b"): "a.b", safe("n__c.d"): "n__c.d", safe("old.tool"): "old.tool"}
    assert restored_names(conversation) == names


@pytest.mark.parametrize("text", ["", 'a "b"\n', "é"])
def test_free_text_comes_back_from_the_function_that_stood_for_it(text: str) -> None:
    """Wrapped as one string and taken out again."""
    assert custom_tools.read_input(custom_tools.as_arguments(text)) == text


@pytest.mark.parametrize("arguments", ["", "{", "[]", '{"other":1}', '{"input":1}'])
def test_arguments_of_any_other_form_are_given_as_they_are(arguments: str) -> None:
    """The model may not keep to the schema."""
    assert custom_tools.read_input(arguments) == arguments
