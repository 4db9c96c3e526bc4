"""Conversations of several turns: what an SDK keeps of one reply must be good for the next request, to any vendor."""

from dataclasses import replace

import pytest

from freetheai_gateway import jsonc
from freetheai_gateway.testing.voices import Answer, Call
from tests.matrix.ask import Ask, Result, Tool, Turn, user
from tests.matrix.conftest import Send
from tests.matrix.heard import Heard
from tests.matrix.limits import CHAT, CLIENTS, GEMINI, MESSAGES, RESPONSES, SHORT, UPSTREAMS
from tests.matrix.loop import CUTS, Loop
from tests.matrix.readers import READERS
from tests.matrix.scenarios import CLOCK, HELLO, OSLO, QUESTION, ROME, WEATHER

SIGNED = "c2lnbmF0dXJlLW9mLXRoZS12ZW5kb3I="
SENTINEL = "skip_thought_signature_validator"
"""What Gemini documents for calls whose signature is lost."""
PAIRS = [(client, upstream) for client in CLIENTS for upstream in UPSTREAMS]
SWITCHES = [(*pair, then) for pair in PAIRS for then in UPSTREAMS if then != pair[1]]


def _pair(pair: tuple[str, ...]) -> str:
    return "-to-".join(SHORT[name] for name in pair)


def _next(ask: Ask, heard: Heard, *texts: str) -> Ask:
    """Go on: the reply as the SDK gave it, and a result for every call."""
    results = tuple(Result(call, text) for call, text in zip(heard.calls, texts, strict=True))
    more = (Turn("assistant", replayed=heard.replay), user("" if results else "Go on.", results=results))
    return replace(ask, turns=(*ask.turns, *more))


@pytest.mark.parametrize("streamed", [True, False], ids=["streamed", "whole"])
@pytest.mark.parametrize("pair", PAIRS, ids=_pair)
def test_tool_loop_when_it_has_several_rounds_then_every_call_keeps_its_result(
    pair: tuple[str, str], streamed: bool, send: Send
) -> None:
    """Parallel calls, a call without arguments, then text: the last request holds the whole conversation in order."""
    client, upstream = pair
    time = Call("get_time", {}, "call_0003")
    plans = [Answer("Let me look.", calls=(OSLO, ROME)), Answer(calls=(time,)), Answer("Sun. Rain. Noon.")]
    loop = Loop(client, upstream, list(plans))
    ask = Ask((QUESTION,), tools=(WEATHER, CLOCK), thinks=True)
    heard = send(loop, ask, streamed=streamed)
    ask = _next(ask, heard, "Sun.", "Rain.")
    heard = send(loop, ask, streamed=streamed)
    assert [call.arguments for call in heard.calls] == [{}]
    ask = _next(ask, heard, "Noon.")
    assert send(loop, ask, streamed=streamed).text == "Sun. Rain. Noon."
    turns = READERS[upstream](loop.bodies[2]).turns
    assert [turn.role for turn in turns] == ["user", "assistant", "user", "assistant", "user"]
    assert [[call.name for call in turn.calls] for turn in turns] == [
        [],
        ["get_weather", "get_weather"],
        [],
        ["get_time"],
        [],
    ]
    for asked, answered, texts in ((turns[1], turns[2], ("Sun.", "Rain.")), (turns[3], turns[4], ("Noon.",))):
        keys = [call.name if upstream == GEMINI else call.id for call in asked.calls]
        assert [result.call for result in answered.results] == keys
        assert all(text in result.text for text, result in zip(texts, answered.results, strict=True))


@pytest.mark.parametrize("streamed", [True, False], ids=["streamed", "whole"])
@pytest.mark.parametrize("pair", [pair for pair in PAIRS if pair[1] != CHAT], ids=_pair)
def test_signature_when_the_answer_is_text_only_then_it_comes_back_in_its_place(
    pair: tuple[str, str], streamed: bool, send: Send
) -> None:
    """Also where the vendor shows no thinking, only the signature of it."""
    client, upstream = pair
    loop = Loop(client, upstream, [Answer("Sunny.", signature=SIGNED), Answer("Yes.")])
    ask = Ask((QUESTION,), thinks=True)
    heard = send(loop, ask, streamed=streamed)
    assert (heard.text, heard.thinking) == ("Sunny.", "")
    assert send(loop, _next(ask, heard), streamed=streamed).text == "Yes."
    turn = READERS[upstream](loop.bodies[1]).turns[1]
    assert turn.text.strip() == "Sunny."
    assert turn.signatures == [SIGNED]


@pytest.mark.parametrize("streamed", [True, False], ids=["streamed", "whole"])
@pytest.mark.parametrize("route", SWITCHES, ids=_pair)
def test_history_when_another_vendor_answered_before_then_no_foreign_signature_reaches_the_next(
    route: tuple[str, str, str], streamed: bool, send: Send
) -> None:
    """A model is changed in mid-conversation, or an upstream failed over: the vendor must not refuse the history."""
    client, first, then = route
    signature = "" if first == CHAT else SIGNED
    before = Loop(client, first, [Answer("Hm.", thinking="Let me see.", signature=signature, calls=(OSLO, ROME))])
    ask = Ask((QUESTION,), tools=(WEATHER,), thinks=True)
    heard = send(before, ask, streamed=streamed)
    after = Loop(client, then, [Answer("Sunny.")])
    assert send(after, _next(ask, heard, "Sun.", "Rain."), streamed=streamed).text == "Sunny."
    body = after.bodies[0]
    if client != CHAT or then != CHAT:  # its raw lane changes nothing, and its servers ignore what they do not know
        assert SIGNED.encode() not in body
        assert b"fta1." not in body
    turn = READERS[then](body).turns[1]
    assert [call.name for call in turn.calls] == ["get_weather", "get_weather"]
    assert turn.text == "Hm."
    assert turn.signatures == ([SENTINEL] if then == GEMINI else []) or client == then == CHAT


ODD_NAMES = {
    CHAT: ("9-lives", "x" * 64),
    MESSAGES: ("9-lives", "x" * 64, "mcp__server__" + "y" * 100),
    RESPONSES: ("9-lives", "x" * 64),
}
"""Names that each client dialect allows."""


@pytest.mark.parametrize("streamed", [True, False], ids=["streamed", "whole"])
@pytest.mark.parametrize("pair", [pair for pair in PAIRS if pair[0] != pair[1]], ids=_pair)
def test_tool_name_when_the_vendor_would_refuse_it_then_the_client_sees_its_own(
    pair: tuple[str, str], streamed: bool, send: Send
) -> None:
    """Names that one dialect allows and another does not go up in a legal form and come back as they were."""
    client, upstream = pair

    def call_all(body: bytes) -> Answer:
        seen = READERS[upstream](body)
        assert all(len(name) <= 64 for name in seen.tools)
        return Answer(calls=tuple(Call(name, {"city": "Oslo"}, f"c{n}") for n, name in enumerate(seen.tools)))

    names = ODD_NAMES[client]
    loop = Loop(client, upstream, [call_all, Answer("Done.")])
    ask = Ask((QUESTION,), tools=tuple(Tool(name, "A tool.", WEATHER.schema) for name in names))
    heard = send(loop, ask, streamed=streamed)
    assert [call.name for call in heard.calls] == list(names)
    assert send(loop, _next(ask, heard, *("ok" for _ in names)), streamed=streamed).text == "Done."
    seen = READERS[upstream](loop.bodies[1])
    assert [call.name for call in seen.turns[1].calls] == list(seen.tools)


@pytest.mark.parametrize("pair", PAIRS, ids=_pair)
def test_ids_when_the_upstream_gives_odd_or_repeated_ones_then_calls_and_results_still_match(
    pair: tuple[str, str], send: Send
) -> None:
    """`functions.get_weather:0` in every turn, as some servers give it, is no reason for a refusal."""
    client, upstream = pair
    odd = Call("get_weather", {"city": "Oslo"}, "functions.get_weather:0")
    loop = Loop(client, upstream, [Answer(calls=(odd,)), Answer(calls=(odd,)), Answer("Done.")])
    ask = Ask((QUESTION,), tools=(WEATHER,))
    for text in ("first", "second"):
        heard = send(loop, ask, streamed=True)
        ask = _next(ask, heard, text)
    assert send(loop, ask, streamed=True).text == "Done."
    turns = READERS[upstream](loop.bodies[2]).turns
    assert "first" in turns[2].results[0].text
    assert "second" in turns[4].results[0].text


@pytest.mark.parametrize("streamed", [True, False], ids=["streamed", "whole"])
@pytest.mark.parametrize("pair", PAIRS, ids=_pair)
def test_reply_when_the_upstream_answers_in_the_other_mode_then_the_client_gets_what_it_asked_for(
    pair: tuple[str, str], streamed: bool, send: Send
) -> None:
    """A stream for a whole request and a whole reply for a stream, converted either way."""
    client, upstream = pair
    answer = Answer(HELLO, calls=(OSLO, ROME), thinking="Hm, let me see.", signature="" if upstream == CHAT else SIGNED)
    heard = send(Loop(client, upstream, [answer], contrary=True), Ask((QUESTION,), tools=(WEATHER,)), streamed=streamed)
    as_asked = send(Loop(client, upstream, [answer]), Ask((QUESTION,), tools=(WEATHER,)), streamed=streamed)
    assert (heard.text, heard.thinking, heard.stop) == (as_asked.text, as_asked.thinking, as_asked.stop)
    assert [call.arguments for call in heard.calls] == [OSLO.arguments, ROME.arguments]
    if streamed or upstream != CHAT:  # a chat upstream that streams unasked was not asked for usage either
        assert heard.spent == as_asked.spent
    assert heard.text == HELLO


@pytest.mark.parametrize("cuts", [(1,), (2,), (1_000_000,)], ids=["every byte", "every second byte", "at once"])
@pytest.mark.parametrize("pair", PAIRS, ids=_pair)
def test_stream_when_it_is_cut_anywhere_then_the_client_gets_the_same(
    pair: tuple[str, str], cuts: tuple[int, ...]
) -> None:
    """Not one byte depends on how the upstream's bytes were read."""
    client, upstream = pair
    answer = Answer(HELLO, calls=(OSLO, ROME), thinking="東京, hm.", signature="" if upstream == CHAT else SIGNED)
    bodies: dict[str, dict[str, object]] = {
        CHAT: {"messages": [{"role": "user", "content": "Hi."}]},
        MESSAGES: {"messages": [{"role": "user", "content": "Hi."}], "max_tokens": 100},
        RESPONSES: {"input": "Hi."},
    }
    body = jsonc.encode({"model": "test/model", "stream": True, **bodies[client]})
    same = [Loop(client, upstream, [answer], cuts=one).post(body).content for one in (cuts, CUTS)]
    assert same[0] == same[1]
    assert same[0]
