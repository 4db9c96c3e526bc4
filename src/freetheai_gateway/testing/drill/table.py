"""The promises of the drill as the table of `docs/failover.md`."""

from freetheai_gateway.testing.drill.cases import FAILURES, Failure, Seen

HEADING = """\
| the upstream fails with | when | reply | another upstream is healthy | none is | then |
|---|---|---|---|---|---|"""
_WORDS = {"whole": "the whole answer", "broken": "a stream that ends in the error event"}
_LEFT = {
    "closed": "nothing",
    "open": "the breaker is open",
    "resting": "the key rests",
    "cooling": "the key rests for this model",
}


def render_promises() -> str:
    """Write the table."""
    return "\n".join([HEADING, *(_row(failure) for failure in FAILURES)])


def _row(failure: Failure) -> str:
    reply = {None: "any", True: "stream", False: "whole"}[failure.streamed]
    cells = (failure.name, failure.phase.value, reply, _say(failure.paired), _say(failure.alone), _LEFT[failure.after])
    return f"| {' | '.join(cells)} |"


def _say(seen: Seen) -> str:
    times = "" if seen.attempts == 1 else f", {seen.attempts} attempts"
    return f"{_WORDS.get(seen.answer, seen.answer)}{times}"
