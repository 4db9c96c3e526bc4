"""Every client dialect on every upstream dialect, judged by the official SDKs and by the vendors' own rules."""

import pytest

from freetheai_gateway.domain.pools import Quirks
from freetheai_gateway.domain.usage import Usage
from freetheai_gateway.testing.voices import Answer, Trouble
from tests.matrix.ask import Ask, Forecast, Result, Turn, user
from tests.matrix.conftest import Send
from tests.matrix.expected import reply_faults, request_faults
from tests.matrix.heard import Failed
from tests.matrix.limits import CHAT, CLIENTS, MESSAGES, RESPONSES, SHORT, UPSTREAMS, Verdict, limits_of
from tests.matrix.loop import REQUEST_ID, Break, Broken, Loop
from tests.matrix.readers import READERS
from tests.matrix.scenarios import HELLO, OSLO, QUESTION, SCENARIOS, WEATHER, Scenario

PAIRS = [(client, upstream) for client in CLIENTS for upstream in UPSTREAMS]
SIGNED = "c2lnbmF0dXJlLW9mLXRoZS12ZW5kb3I="


def _cells(names: list[str]) -> list[tuple[str, str, str, bool]]:
    return [(client, upstream, name, how) for client, upstream in PAIRS for name in names for how in (True, False)]


def _id(cell: tuple[str, str, str, bool]) -> str:
    client, upstream, name, streamed = cell
    return f"{SHORT[client]}-to-{SHORT[upstream]}/{name}/{'streamed' if streamed else 'whole'}"


def _matrix(names: list[str]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("cell", _cells(names), ids=_id)


_BY_NAME = {scenario.name: scenario for scenario in SCENARIOS}


@_matrix(list(_BY_NAME))
def test_scenario_when_the_upstream_answers_then_both_sides_read_what_was_meant(
    cell: tuple[str, str, str, bool], send: Send
) -> None:
    """The upstream is asked what the client asked; the SDK hears what the upstream said."""
    client, upstream, name, streamed = cell
    scenario: Scenario = _BY_NAME[name]
    loop = Loop(client, upstream, [scenario.answer])
    heard = send(loop, scenario.ask, streamed=streamed)
    dropped = [limit.field for limit in limits_of(name, client, upstream) if limit.verdict is Verdict.DROPPED]
    # Native fields pass the raw lane, whatever they are: it is the vendor's to refuse them.
    stop_is_dropped = "stop" in dropped or (client == upstream == RESPONSES)
    seen = READERS[upstream](loop.bodies[0])
    assert list(request_faults(scenario.ask, seen, client, upstream, stop_is_dropped=stop_is_dropped)) == []
    assert list(reply_faults(scenario.answer, heard, client, upstream)) == []
    assert loop.dropped == tuple(dropped)
    spent = scenario.answer.spent
    assert loop.usage == Usage(spent.input_tokens, spent.output_tokens, spent.cached_tokens, spent.reasoning_tokens)
    if scenario.ask.forecast:
        assert heard.parsed == Forecast(city="Oslo", degrees=-3)


@_matrix(["thinking across two turns"])
def test_thinking_when_it_goes_back_with_a_tools_result_then_the_vendor_gets_its_signature(
    cell: tuple[str, str, str, bool], send: Send
) -> None:
    """Signed thinking reaches the client, is sent back as the SDK keeps it, and reaches its vendor unchanged."""
    client, upstream, _, streamed = cell
    signature = "" if upstream == CHAT else SIGNED
    first = Answer(thinking="It asks for the weather.", signature=signature, calls=(OSLO,))
    second = Answer("Sunny.")
    loop = Loop(client, upstream, [first, second], quirks=Quirks(reasoning_replay=upstream == CHAT))
    ask = Ask((QUESTION,), tools=(WEATHER,), thinks=True)
    heard = send(loop, ask, streamed=streamed)
    assert list(reply_faults(first, heard, client, upstream)) == []
    (call,) = heard.calls
    turns = (QUESTION, Turn("assistant", replayed=heard.replay), user("", results=(Result(call, "Sunny."),)))
    heard = send(loop, Ask(turns, tools=(WEATHER,), thinks=True), streamed=streamed)
    assert list(reply_faults(second, heard, client, upstream)) == []
    seen = READERS[upstream](loop.bodies[1])
    said = seen.turns[1]
    assert [one.arguments for one in said.calls] == [OSLO.arguments]
    assert said.signatures == ([signature] if signature else [])
    assert [one.text for one in seen.turns[2].results] != []
    assert seen.thinks
    if upstream != "gemini":  # Gemini's thoughts are summaries that never go back
        assert said.thinking == first.thinking


TROUBLES = {
    Trouble.OVERLOADED: {CHAT: (503, "provider_unavailable"), MESSAGES: (503, "overloaded_error")},
    Trouble.RATE_LIMITED: {CHAT: (503, "provider_unavailable"), MESSAGES: (503, "overloaded_error")},
    Trouble.CONTEXT_TOO_LONG: {CHAT: (400, "context_length_exceeded"), MESSAGES: (400, "invalid_request_error")},
    Trouble.BAD_KEY: {CHAT: (502, "provider_error"), MESSAGES: (502, "api_error")},
    Trouble.BAD_REQUEST: {CHAT: (400, ""), MESSAGES: (400, "invalid_request_error")},
}
"""Status and kind per trouble and client; Responses clients get what chat clients get."""


@_matrix([f"error before the first byte: {trouble}" for trouble in TROUBLES])
def test_failure_when_it_comes_before_the_first_byte_then_it_is_an_http_status(
    cell: tuple[str, str, str, bool], send: Send
) -> None:
    """An error's status and type are the ones of the contract, whichever vendor's words it came in."""
    client, upstream, name, streamed = cell
    trouble = Trouble(name.partition(": ")[2])
    with pytest.raises(Failed) as raised:
        send(Loop(client, upstream, [trouble]), Ask((user("Hi."),)), streamed=streamed)
    status, kind = TROUBLES[trouble][MESSAGES if client == MESSAGES else CHAT]
    assert raised.value.status == status
    assert kind in {"", raised.value.kind}
    if trouble is Trouble.CONTEXT_TOO_LONG and client == MESSAGES:
        assert "prompt is too long" in raised.value.message
    if trouble is Trouble.BAD_KEY:
        assert "key" not in raised.value.message.lower()


@_matrix(["error in mid-stream", "upstream cut off without an end"])
def test_reply_when_it_breaks_off_then_the_client_is_told_and_never_hears_a_polite_end(
    cell: tuple[str, str, str, bool], send: Send
) -> None:
    """The SDK raises, in mid-stream or at once where it does not stream, and it is a server's fault."""
    client, upstream, name, streamed = cell
    how = Break.ERROR if name.startswith("error") else Break.CUT
    with pytest.raises(Failed) as raised:
        send(Loop(client, upstream, [Broken(Answer(HELLO), how)]), Ask((user("Hi."),)), streamed=streamed)
    assert raised.value.status == (None if streamed else 502)
    assert raised.value.kind in {"api_error", "provider_error", "server_error"}
    assert REQUEST_ID in raised.value.message
