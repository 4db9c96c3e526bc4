"""Two upstreams of which one fails half of its requests, in every way: what members see of it."""

from freetheai_gateway.testing.faults import AFTER_CONTENT, BEFORE_CONTENT, FaultyUpstream
from freetheai_gateway.testing.upstream import ScriptedUpstream
from tools.proof.ground import Plan, ground, served
from tools.proof.load import Outcome, load

REQUESTS = 10_000
AT_ONCE = 16
CONNECT_MS = 1_000.0
TOTAL_S = 1.9
"""A little less than the total deadline of a call."""
_ALWAYS_ASKED = {"breaker_failures": 1_000_000}
"""Breakers would soon take the failing upstream out of the way; here it is asked to the end."""


async def prove() -> bool:
    """Measure without and with failures; returns whether what is promised holds."""
    healthy = await _measure(0.0, BEFORE_CONTENT)
    failing = await _measure(0.5, BEFORE_CONTENT)
    late = sum(one.answer == "504" and one.seconds > TOTAL_S for one in failing.got)
    answered = failing.answers["whole"] / (REQUESTS - late)
    bound_ms = 2 * healthy.percentile_ms(99) + CONNECT_MS
    print(f"healthy     p50 {healthy.percentile_ms(50):.1f} ms, p99 {healthy.percentile_ms(99):.1f} ms")
    print(f"failing 50% p50 {failing.percentile_ms(50):.1f} ms, p99 {failing.percentile_ms(99):.1f} ms")
    print(f"answered    {failing.answers['whole']} of {REQUESTS}; all: {dict(failing.answers)}")
    print(
        f"            {late} whole replies were silent until their total deadline, which ends a request; {answered:.2%}"
    )
    broken = await _measure(0.5, AFTER_CONTENT)
    print(f"broken after content (nothing can take over): {dict(broken.answers)}")
    return answered >= 0.999 and failing.percentile_ms(99) < bound_ms and set(broken.answers) <= {"whole", "broken"}


async def _measure(share: float, faults: tuple[str, ...]) -> Outcome:
    async with (
        ScriptedUpstream() as good,
        FaultyUpstream(share, faults, seed=1) as faulty,
        ground(Plan(served(good=good, faulty=faulty), pools=_ALWAYS_ASKED)) as stands,
    ):
        outcome = await load(stands.player, REQUESTS, AT_ONCE)
        held = await stands.gauge("freetheai_upstream_in_flight") + await stands.gauge("freetheai_open_streams")
        attempts = sum((await stands.attempts("faulty")).values()) + sum((await stands.attempts("good")).values())
        stands.to_find = [one.request_id for one in outcome.got]
    if held or stands.found != REQUESTS:
        raise AssertionError(f"{held} places are held, {stands.found} records were found")
    print(f"  {faulty.failed} failures played, {attempts:.0f} calls, {stands.found} records, nothing held")
    return outcome
