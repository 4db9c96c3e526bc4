"""What is printed where, and that no value breaks out of its line."""

import pytest

from freetheai_gateway.cli.output import Column, print_fields, print_page, print_table

COLUMNS = (Column("name", "NAME"), Column("count", "COUNT", is_number=True))


def test_a_table_aligns_names_left_and_numbers_right(capsys: pytest.CaptureFixture[str]) -> None:
    """Two spaces between columns, none at the end of a line."""
    print_table([{"name": "a", "count": 1}, {"name": "bcdefg", "count": 100}], COLUMNS)
    assert capsys.readouterr().out == "NAME    COUNT\na           1\nbcdefg    100\n"


def test_a_total_is_the_last_row(capsys: pytest.CaptureFixture[str]) -> None:
    """The caller sums."""
    print_table([{"name": "a", "count": 1}], COLUMNS, total={"name": "total", "count": 1})
    assert capsys.readouterr().out.splitlines()[-1].split() == ["total", "1"]


def test_values_are_written_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is a dash, lists are joined, truth is a word, money has six decimals."""
    print_fields({"a": None, "b": "", "c": [], "d": ["x", "y"], "e": True, "f": False, "g": 0.5, "h": 0}, as_json=False)
    values = [line.split(maxsplit=1)[1] for line in capsys.readouterr().out.splitlines()]
    assert values == ["-", "-", "-", "x, y", "yes", "no", "0.500000", "0"]


def test_a_hostile_name_stays_on_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    """Line breaks and terminal sequences are shown as what they are: not printable."""
    print_table([{"name": "a\n\x1b[31mb\u202ec", "count": 1}], COLUMNS)
    assert capsys.readouterr().out.splitlines()[1].split() == ["a��[31mb�c", "1"]


def test_a_page_as_json_is_one_object(capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing goes to stderr, whether there are rows, more of them, or none."""
    print_page([{"name": "a"}], COLUMNS, as_json=True, next_cursor="key_1", empty="none")
    print_page([], COLUMNS, as_json=True, empty="none")
    out, err = capsys.readouterr()
    assert out == (
        '{"object":"list","data":[{"name":"a"}],"next_cursor":"key_1"}\n{"object":"list","data":[],"next_cursor":null}\n'
    )
    assert err == ""
