"""Choosing among upstreams: priority first, then weight."""

from collections import Counter
from collections.abc import Sequence

import pytest

from freetheai_gateway.domain.pools import Upstream, choose

A, B, C = Upstream("a", "m", weight=1.0), Upstream("b", "m", weight=3.0), Upstream("c", "m", priority=2)


def _pick(upstreams: Sequence[Upstream], draw: float, down: Sequence[Upstream] = ()) -> Upstream | None:
    return choose(upstreams, lambda upstream: upstream not in down, draw)


def test_choice_when_priorities_differ_then_the_lowest_usable_one_counts() -> None:
    """The reserve is used only where no upstream of the first priority is usable, whatever is drawn."""
    for draw in (0.0, 0.5, 0.999):
        assert _pick((C, A), draw) is A
        assert _pick((C, A), draw, down=(A,)) is C


def test_choice_when_priorities_are_equal_then_shares_follow_the_weights() -> None:
    """Evenly spread draws hit each upstream exactly by its weight."""
    shares = Counter(upstream.provider for n in range(1000) if (upstream := _pick((A, B), n / 1000)) is not None)
    assert shares == {"a": 250, "b": 750}


def test_choice_when_one_is_down_then_the_others_share_its_part() -> None:
    """Weights count among what is usable."""
    assert {_pick((A, B), n / 10, down=(B,)) for n in range(10)} == {A}


@pytest.mark.parametrize(("draw", "chosen"), [(0.0, A), (0.25, B), (1.0 - 2**-53, B)])
def test_choice_at_the_ends_of_the_draw_is_never_nothing(draw: float, chosen: Upstream) -> None:
    """Zero, a border and the largest float below one."""
    assert _pick((A, B), draw) is chosen


def test_choice_when_rounding_eats_the_mark_then_the_last_is_taken() -> None:
    """Sums of small weights may round below the draw."""
    many = [Upstream(str(n), "m", weight=0.1) for n in range(10)]
    assert _pick(many, 1.0) is many[-1]


def test_choice_when_a_weight_is_zero_then_it_gets_nothing() -> None:
    """An upstream that is only kept for other priorities."""
    idle = Upstream("idle", "m", weight=0.0)
    assert {_pick((idle, A), n / 10) for n in range(10)} == {A}


def test_choice_when_nothing_is_usable_then_there_is_none() -> None:
    """An empty pool, or one that is down."""
    assert _pick((), 0.5) is None
    assert _pick((A, B), 0.5, down=(A, B)) is None
