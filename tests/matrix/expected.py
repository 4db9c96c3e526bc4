"""What must come of a scenario, by the mapping tables: what the upstream is asked, and what the SDK hears."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from freetheai_gateway.testing.voices import Answer, Ending, Spent
from tests.matrix.ask import Ask, Forecast, Turn
from tests.matrix.heard import Heard
from tests.matrix.limits import CHAT, GEMINI, MESSAGES, RESPONSES
from tests.matrix.seen import Seen, SeenTurn

_STOPS = {
    CHAT: {Ending.LENGTH: "length", Ending.BLOCKED: "content_filter"},
    MESSAGES: {Ending.LENGTH: "max_tokens", Ending.BLOCKED: "refusal", Ending.REFUSED: "refusal"},
    RESPONSES: {Ending.LENGTH: "incomplete:max_output_tokens", Ending.BLOCKED: "incomplete:content_filter"},
}
_NATURAL = {CHAT: "stop", MESSAGES: "end_turn", RESPONSES: "completed"}
_WITH_CALLS = {CHAT: "tool_calls", MESSAGES: "tool_use", RESPONSES: "completed"}
_REFUSED = {CHAT: {"stop", "content_filter"}, RESPONSES: {"completed", "incomplete:content_filter"}}


def request_faults(ask: Ask, seen: Seen, client: str, upstream: str, *, stop_is_dropped: bool) -> Iterator[str]:
    """Compare what the upstream was asked with what the client asked."""
    yield from _different("system", seen.system, ask.system)
    yield from _different("roles", [turn.role for turn in seen.turns], [turn.role for turn in ask.turns])
    for number, (got, meant) in enumerate(zip(seen.turns, ask.turns, strict=False)):
        for fault in _turn_faults(got, meant, client, upstream):
            yield f"turn {number}: {fault}"
    yield from _different("tools", set(seen.tools), {tool.name for tool in ask.tools})
    for tool in ask.tools:
        got_schema, meant_schema = seen.tools.get(tool.name, {}), tool.schema
        properties: Any = meant_schema["properties"]
        yield from _different(f"properties of {tool.name}", set(got_schema.get("properties", {})), set(properties))
        required = meant_schema.get("required", [])
        yield from _different(f"required of {tool.name}", got_schema.get("required", []), required)
    yield from _different("tool choice", seen.choice, ask.forced)
    yield from _different("stop", seen.stop, () if stop_is_dropped else ask.stop)
    yield from _different("max tokens", seen.max_tokens, ask.max_tokens)
    yield from _different("thinks", seen.thinks, ask.thinks)
    form = seen.schema or {}
    wanted = set(Forecast.model_fields) if ask.forecast else set()
    yield from _different("properties of the answer", set(form.get("properties", {})), wanted)
    yield from _different("required of the answer", set(form.get("required", [])), wanted)


def _turn_faults(got: SeenTurn, meant: Turn, client: str, upstream: str) -> Iterator[str]:
    pictures = [one.picture for one in meant.results if one.picture] + ([meant.picture] if meant.picture else [])
    yield from _different("text", got.text, meant.text)
    yield from _different("pictures", got.pictures, pictures)
    calls = list(meant.calls)
    if upstream == GEMINI:
        calls = [replace(call, id=got_call.id) for call, got_call in zip(calls, got.calls, strict=False)]
    yield from _different("calls", got.calls, calls)
    keys = [one.call.name if upstream == GEMINI else one.call.id for one in meant.results]
    yield from _different("results", [one.call for one in got.results], keys)
    for seen_result, result in zip(got.results, meant.results, strict=False):
        if result.text not in seen_result.text:
            yield f"the result {result.text!r} became {seen_result.text!r}"
        yield from _different("failed", seen_result.failed, result.failed and client == MESSAGES)


def reply_faults(answer: Answer, heard: Heard, client: str, upstream: str) -> Iterator[str]:
    """Compare what the SDK heard with what the upstream said."""
    refused = answer.ending is Ending.REFUSED
    yield from _different("model", heard.model, "test/model")
    yield from _different("text", heard.refusal or heard.text if refused else heard.text, answer.text)
    if not refused:
        yield from _different("refusal", heard.refusal, "")
    yield from _different("names", [call.name for call in heard.calls], [call.name for call in answer.calls])
    arguments = [call.arguments for call in answer.calls]
    yield from _different("arguments", [call.arguments for call in heard.calls], arguments)
    ids = [call.id for call in heard.calls]
    if len(set(ids)) != len(ids) or not all(ids):
        yield f"the ids {ids} do not tell the calls apart"
    if upstream != GEMINI:
        yield from _different("ids", ids, [call.id for call in answer.calls])
    yield from _different("thinking", heard.thinking, answer.thinking)
    yield from _stop_faults(answer, heard, client, upstream)
    yield from _different("usage", heard.spent, _spent(answer, upstream, client))


def _stop_faults(answer: Answer, heard: Heard, client: str, upstream: str) -> Iterator[str]:
    told = client == MESSAGES and upstream == MESSAGES and answer.ending is Ending.STOP_SEQUENCE
    yield from _different("stop sequence", heard.stop_sequence, answer.stop_sequence if told else None)
    if answer.ending is Ending.REFUSED and client in _REFUSED:
        # A vendor that only has words for it ends as usual; one that has a reason for it gives the reason.
        if heard.stop not in _REFUSED[client]:
            yield f"stop: {heard.stop!r} of a refusal"
        if upstream in {MESSAGES, GEMINI} and heard.stop in _NATURAL.values():
            yield f"stop: {heard.stop!r} hides that the upstream refused"
        return
    natural = (_WITH_CALLS if answer.calls else _NATURAL)[client]
    if told or (upstream == CHAT != client and answer.calls):
        # Chat's finish reason is not believed where whole calls came with it (mapping table of stop reasons).
        natural = "stop_sequence" if told else natural
        yield from _different("stop", heard.stop, natural)
        return
    yield from _different("stop", heard.stop, _STOPS[client].get(answer.ending, natural))


def _spent(answer: Answer, upstream: str, client: str) -> Spent:
    if upstream == GEMINI:
        return replace(answer.spent, cache_written_tokens=0)
    return answer.spent


def _different(what: str, got: object, meant: object) -> list[str]:
    return [] if got == meant else [f"{what}: {got!r} instead of {meant!r}"]
