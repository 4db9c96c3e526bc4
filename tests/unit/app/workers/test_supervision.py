"""What the parent of several workers decides, event by event."""

from freetheai_gateway.app.workers.supervision import (
    MODELS,
    Finish,
    Kill,
    Patience,
    ReloadEnded,
    Restarting,
    Start,
    Step,
    Stop,
    Supervision,
    Tell,
)

PATIENCE = Patience(first_delay_s=1.0, most_delay_s=4.0, settled_s=100.0, drain_s=10.0, force_s=2.0, prepare_s=5.0)


def opened(workers: int = 2, *, with_models: bool = False) -> Supervision:
    """Bring a node to where all its workers serve."""
    node = Supervision(workers, PATIENCE, with_models=with_models)
    node.begin(0.0)
    if with_models:
        node.started(MODELS, 0.0)
    for slot in range(1, workers + 1):
        node.started(slot, 0.0)
    return node


def test_begin_when_there_are_models_then_they_and_the_first_worker_start_alone() -> None:
    """The first worker migrates the database; the others would only wait for it."""
    assert Supervision(3, PATIENCE, with_models=True).begin(0.0) == [Start(MODELS), Start(1)]


def test_started_when_the_first_worker_serves_then_the_others_start_and_the_last_opens_the_node() -> None:
    """The banner comes once, when all serve."""
    node = Supervision(3, PATIENCE)
    node.begin(0.0)
    assert node.started(1, 0.0) == [Start(2), Start(3)]
    assert node.started(3, 0.0) == []
    assert node.started(2, 0.0) == [Tell(1, Step.ANNOUNCE)]
    assert node.living == [1, 2, 3]


def test_ended_when_the_first_worker_can_not_start_then_the_node_ends_with_its_code() -> None:
    """A wrong configuration is 2, as with one process."""
    node = Supervision(2, PATIENCE)
    node.begin(0.0)
    assert node.ended(1, 2, 0.0) == [Finish(2)]


def test_ended_when_another_worker_can_not_start_then_those_that_serve_are_stopped_first() -> None:
    """A node that came up by half would hide the fault."""
    node = Supervision(2, PATIENCE)
    node.begin(0.0)
    node.started(1, 0.0)
    assert node.ended(2, -9, 0.0) == [Stop(1)]
    assert node.ended(1, 0, 1.0) == [Finish(1)]


def test_ended_when_a_worker_dies_again_and_again_then_it_is_started_ever_more_slowly() -> None:
    """Twice the delay each time, up to the longest; the others serve on."""
    node = opened()
    delays = []
    now = 1.0
    for _ in range(4):
        (restarting,) = node.ended(2, -9, now)
        assert isinstance(restarting, Restarting)
        assert node.living == [1]
        delays.append(restarting.delay_s)
        assert node.next_at() == now + restarting.delay_s
        now += restarting.delay_s
        assert node.tick(now - 0.01) == []
        assert node.tick(now) == [Start(2)]
        node.started(2, now)
    assert delays == [1.0, 2.0, 4.0, 4.0]


def test_ended_when_a_worker_had_lived_long_then_its_failures_are_forgotten() -> None:
    """An end once a day is no crash loop."""
    node = opened()
    node.ended(2, -9, 1.0)
    node.tick(2.0)
    node.started(2, 2.0)
    assert node.ended(2, -9, 200.0) == [Restarting(2, 1.0)]


def test_ended_when_the_models_can_not_start_then_the_node_comes_up_without() -> None:
    """A broken model file must not take the rest of the service away."""
    node = Supervision(1, PATIENCE, with_models=True)
    node.begin(0.0)
    assert node.ended(MODELS, 1, 0.0) == [Restarting(MODELS, 1.0)]
    assert node.started(1, 0.5) == [Tell(1, Step.ANNOUNCE)]


def test_stop_when_told_once_then_the_workers_drain_and_the_models_go_last() -> None:
    """Requests that drain may need the local model."""
    node = opened(with_models=True)
    assert node.stop(1.0) == [Stop(1), Stop(2)]
    assert node.ended(2, 0, 2.0) == []
    assert node.ended(1, 0, 3.0) == [Stop(MODELS)]
    assert node.ended(MODELS, 0, 3.5) == [Finish(0)]


def test_stop_when_told_twice_then_all_are_told_again_and_killed_soon() -> None:
    """The second signal does not wait for open streams."""
    node = opened()
    node.stop(1.0)
    assert node.stop(1.5) == [Stop(1), Stop(2)]
    assert node.next_at() == 3.5
    assert node.tick(3.5) == [Kill(1), Kill(2)]
    node.ended(1, -9, 3.6)
    assert node.ended(2, -9, 3.6) == [Finish(1)]


def test_stop_when_a_drain_takes_too_long_then_what_is_left_is_killed_and_the_code_says_so() -> None:
    """Only what still lives."""
    node = opened()
    node.stop(0.0)
    node.ended(1, 0, 1.0)
    assert node.tick(9.9) == []
    assert node.tick(10.0) == [Kill(2)]
    assert node.ended(2, -9, 10.1) == [Finish(1)]


def test_stop_when_a_worker_is_due_again_then_it_is_not_started() -> None:
    """It ends with those that live."""
    node = opened()
    node.ended(2, -9, 1.0)
    node.stop(1.5)
    assert node.tick(2.0) == []
    assert node.ended(1, 0, 3.0) == [Finish(0)]


def test_started_when_the_node_is_ending_then_the_worker_is_stopped() -> None:
    """A signal before it had handlers may have been lost on it."""
    node = Supervision(2, PATIENCE)
    node.begin(0.0)
    node.stop(0.1)
    assert node.started(1, 0.2) == [Stop(1)]


def test_reload_when_all_agree_then_all_adopt() -> None:
    """First everyone is asked, then everyone swaps."""
    node = opened()
    assert node.want_reload(1.0) == [Tell(1, Step.PREPARE), Tell(2, Step.PREPARE)]
    assert node.answered(2, agrees=True) == []
    assert node.answered(1, agrees=True) == [Tell(1, Step.ADOPT), Tell(2, Step.ADOPT), ReloadEnded()]


def test_reload_when_one_refuses_then_none_adopts() -> None:
    """Workers that differ would answer the same client differently."""
    node = opened()
    node.want_reload(1.0)
    node.answered(1, agrees=True)
    assert node.answered(2, agrees=False) == [Tell(1, Step.FORGET), ReloadEnded((2,))]


def test_reload_when_one_is_silent_then_none_adopts() -> None:
    """It is not waited for without end."""
    node = opened()
    node.want_reload(1.0)
    node.answered(1, agrees=True)
    assert node.next_at() == 6.0
    assert node.tick(6.0) == [Tell(1, Step.FORGET), ReloadEnded((2,))]


def test_reload_when_a_worker_dies_meanwhile_then_the_others_decide() -> None:
    """The one that follows it starts with what holds then, and not before that is known."""
    node = opened()
    node.want_reload(1.0)
    assert node.ended(2, -9, 1.5) == [Restarting(2, 1.0)]
    assert node.tick(3.0) == []
    assert node.answered(1, agrees=True) == [Tell(1, Step.ADOPT), ReloadEnded()]
    assert node.tick(3.0) == [Start(2)]


def test_reload_when_a_worker_is_starting_then_it_waits_for_it() -> None:
    """Which configuration it read would not be known."""
    node = opened()
    node.ended(2, -9, 1.0)
    node.tick(2.0)
    assert node.want_reload(2.5) == []
    assert node.started(2, 3.0) == [Tell(1, Step.PREPARE), Tell(2, Step.PREPARE)]


def test_models_when_a_reload_brings_the_first_then_their_process_is_started() -> None:
    """Once."""
    node = opened()
    assert node.with_models(1.0) == [Start(MODELS)]
    assert node.with_models(1.0) == []
