"""Forms: what is read of them in every shape that Discord sends, and the questions they ask."""

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freetheai_gateway.bot.answers import plain
from freetheai_gateway.bot.payload import form_fields
from freetheai_gateway.jsonc import encode
from freetheai_gateway.services.key_desk.challenge import digest_of, draw, normalise
from freetheai_gateway.testing.discord.person import Answer, Person
from freetheai_gateway.testing.discord.rules import check_modal
from freetheai_gateway.testing.discord.server import FakeDiscord
from freetheai_gateway.testing.discord.solve import question_of, solve
from tests.contract.discord.desk import Node, filled

LABEL = {"type": 18, "id": 2, "component": {"type": 4, "custom_id": "use", "value": "chat"}}
NAMES = ("type", "custom_id", "value", "values", "component", "components")


@pytest.mark.parametrize(
    ("component", "fields"),
    [
        (LABEL, {"use": "chat"}),
        ({"type": 1, "components": [{"type": 4, "custom_id": "use", "value": "chat"}]}, {"use": "chat"}),
        ({"type": 18, "component": {"type": 22, "custom_id": "rules", "values": ["ok", "b"]}}, {"rules": "ok"}),
        ({"type": 18, "component": {"type": 21, "custom_id": "kind", "value": "code"}}, {"kind": "code"}),
        ({"type": 18, "component": {"type": 21, "custom_id": "kind", "value": None}}, {}),
        ({"type": 18, "component": {"type": 23, "custom_id": "yes", "value": True}}, {}),
        ({"type": 18, "component": {"type": 22, "custom_id": "rules", "values": []}}, {}),
        ({"type": 18, "component": {"type": 4, "custom_id": "use"}}, {}),
        ({"type": 10, "id": 1}, {}),
        ({"type": 99, "novelty": {"custom_id": "use"}}, {}),
        ({"type": 18, "component": {"custom_id": 7, "value": "x"}}, {}),
        ("no component", {}),
    ],
    ids=str,
)
def test_form_fields_when_read_then_labels_rows_value_values_and_absence(
    component: object, fields: dict[str, str]
) -> None:
    """Requirement 11: labels and action rows, `value` and `values`, null, missing, and what is not known yet."""
    assert form_fields((component,)) == fields


@settings(deadline=None)
@given(
    st.recursive(
        st.none() | st.integers() | st.text(max_size=5),
        lambda inner: st.dictionaries(st.sampled_from(NAMES), inner | st.lists(inner)),
        max_leaves=12,
    )
)
def test_form_fields_when_the_payload_is_anything_then_texts_by_text(payload: object) -> None:
    """Requirement 11: whatever is nested in whatever, the reader ends and gives texts."""
    assert all(isinstance(part, str) for pair in form_fields((payload,)).items() for part in pair)


async def test_forms_when_shown_then_labels_within_discords_limits(node: Node, ada: Person) -> None:
    """Requirement 11: every form is checked by the fake's rules, as Discord would."""
    for modal in (await ada.slash("signup"), await _form_after(ada, "resetkey")):
        check_modal(modal["data"])
        assert {part["type"] for part in modal["data"]["components"]} <= {10, 18}
    assert node.lines


def test_questions_when_drawn_many_times_then_thousands_are_distinct_and_each_has_its_answer() -> None:
    """Requirement 13: a list of answers is worth nothing, and a person who reads can answer."""
    drawn = [draw(Random(seed)) for seed in range(10_000)]  # noqa: S311 - seeds of a test
    assert len({challenge.question for challenge in drawn}) > 8_000
    for challenge in drawn:
        assert normalise(solve(challenge.question)) == challenge.answer


@settings(deadline=None)
@given(st.integers(min_value=0), st.text(max_size=20))
def test_answer_when_written_in_another_way_then_the_same_and_nothing_else_is(seed: int, other: str) -> None:
    """Requirement 13: case, spaces and signs don't matter; the digest tells nothing without the nonce."""
    answer = draw(Random(seed)).answer  # noqa: S311 - as above
    assert digest_of("n", f"  {answer.upper()} ! ") == digest_of("n", answer)
    assert (digest_of("n", other) == digest_of("n", answer)) is (normalise(other) == answer)
    assert digest_of("m", answer) != digest_of("n", answer)


async def test_form_when_shown_then_the_answer_is_only_in_the_question(ada: Person) -> None:
    """Requirement 13: no placeholder, id or hint gives the answer away."""
    for number in range(20):
        modal = await Person(ada.discord, ada.post, f"P{number}").slash("signup")
        answer = solve(question_of(modal))
        parts = [part for part in modal["data"]["components"] if part["type"] != 10]
        assert answer not in encode(parts).decode() or len(answer) < 3
        assert modal["data"]["custom_id"].startswith("signup:")
        assert "placeholder" not in encode(parts).decode()


async def test_question_when_the_command_is_run_again_then_another(ada: Person, discord: FakeDiscord) -> None:
    """Nobody waits for a question that they know; the same signed payload keeps its own."""
    asked = {question_of(await ada.slash("signup")) for _ in range(20)}
    assert len(asked) > 15
    assert discord.modals


@settings(deadline=None)
@given(st.text(max_size=200))
def test_foreign_text_when_shown_then_no_mark_is_left_without_its_backslash(text: str) -> None:
    """Requirement 20: mentions, markdown, links and backticks of any kind; one line; a bounded length."""
    shown = plain(text)
    assert not set("\r\n\x00") & set(shown)
    bare = shown.replace("\\\\", "")
    for mark in "*_~`|>#[]()@<":
        assert bare.count(mark) == bare.count(f"\\{mark}")
    assert len(shown) <= 200


async def _form_after(ada: Person, command: str) -> Answer:
    await filled(ada, await ada.slash("signup"))
    await ada.sees()
    return await ada.slash(command)
