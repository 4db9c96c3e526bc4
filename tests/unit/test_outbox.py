"""Writes of one turn of the loop: sent together, in their order, and never before what must be safe first."""

from collections.abc import Callable

from freetheai_gateway.outbox import MOST_WAITING, Outbox


class Turn:
    """A loop's turn by hand, and everything that happened in it."""

    def __init__(self) -> None:
        self.happened: list[object] = []
        self.soon: list[Callable[[], None]] = []
        self.outbox = Outbox(self.soon.append, before=lambda: self.happened.append("safe"))

    def end(self) -> None:
        """Run what was put off."""
        soon, self.soon[:] = self.soon[:], []
        for callback in soon:
            callback()


class Wire:
    """Stands in for a transport."""

    def __init__(self, turn: Turn, name: str) -> None:
        self._turn = turn
        self._name = name
        self.closed = False

    def is_closing(self) -> bool:
        """Whether it was closed."""
        return self.closed

    def write(self, data: bytes) -> None:
        """Note."""
        self._turn.happened.append((self._name, data))


def test_writes_when_the_turn_ends_then_all_go_out_in_their_order_after_what_must_be_safe() -> None:
    """One call of `before` for all of them."""
    turn = Turn()
    one, other = Wire(turn, "one"), Wire(turn, "other")
    for wire, data in ((one, b"1"), (other, b"2"), (one, b"3")):
        turn.outbox.put(wire, data)
    assert turn.happened == []
    turn.end()
    assert turn.happened == ["safe", ("one", b"1"), ("other", b"2"), ("one", b"3")]


def test_writes_when_they_are_flushed_then_the_turns_end_has_nothing_left_to_do() -> None:
    """What closes or writes by itself flushes first; the next turn is begun anew."""
    turn = Turn()
    wire = Wire(turn, "one")
    turn.outbox.put(wire, b"1")
    turn.outbox.flush()
    turn.end()
    assert turn.happened == ["safe", ("one", b"1")]
    turn.outbox.put(wire, b"2")
    turn.end()
    assert turn.happened[2:] == ["safe", ("one", b"2")]


def test_writes_when_they_are_many_then_nobody_waits_for_the_turns_end() -> None:
    """A long turn must not hold back the first of its answers."""
    turn = Turn()
    wire = Wire(turn, "one")
    for number in range(MOST_WAITING):
        turn.outbox.put(wire, b"%d" % number)
    assert len(turn.happened) == 1 + MOST_WAITING


def test_writes_when_their_transport_was_closed_then_they_are_lost_and_the_others_go_out() -> None:
    """A transport that is closed refuses to be written to."""
    turn = Turn()
    one, other = Wire(turn, "one"), Wire(turn, "other")
    turn.outbox.put(one, b"1")
    turn.outbox.put(other, b"2")
    one.closed = True
    turn.end()
    assert turn.happened == ["safe", ("other", b"2")]


def test_write_when_it_is_put_while_others_go_out_then_it_goes_out_in_the_next_turn() -> None:
    """A transport that tells of its full buffer may have something sent at once."""
    turn = Turn()

    class Chatty(Wire):
        """Answers its first write with another."""

        def write(self, data: bytes) -> None:
            """Put one more."""
            super().write(data)
            if data == b"1":
                turn.outbox.put(self, b"2")

    turn.outbox.put(Chatty(turn, "one"), b"1")
    turn.end()
    turn.end()
    assert turn.happened == ["safe", ("one", b"1"), "safe", ("one", b"2")]
