"""A value in shared memory."""

import pytest

from freetheai_gateway.app.workers.board import SIZE_BYTES, Board


def test_board_when_written_then_the_newest_value_is_read() -> None:
    """Also the first one, and one that is shorter than the last."""
    board: Board[list[int]] = Board(list[int], [1])
    assert board.read() == [1]
    board.write(list(range(100)))
    assert board.read() == list(range(100))
    board.write([7])
    assert board.read() == [7]


def test_board_when_a_value_is_half_written_then_the_last_one_stays() -> None:
    """The writer may be stopped at any byte; afterwards the board goes on."""
    board: Board[list[int]] = Board(list[int], [1, 2, 3])
    assert board.read() == [1, 2, 3]
    board._memory[20] ^= 1
    board._memory[0] ^= 1
    assert board.read() == [1, 2, 3]
    board.write([4])
    assert board.read() == [4]


def test_board_when_a_value_does_not_fit_then_it_is_refused_and_the_last_one_stays() -> None:
    """Nothing is cut."""
    board: Board[str] = Board(str, "short")
    with pytest.raises(ValueError, match="does not fit"):
        board.write("x" * SIZE_BYTES)
    assert board.read() == "short"
