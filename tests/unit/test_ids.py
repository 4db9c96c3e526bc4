"""Identifiers: what a key looks like, and what its characters alone give away."""

import re

from freetheai_gateway.ids import KeyForm, key_digest, key_form, key_visible, new_id, new_key, new_request_id


def test_new_key_has_the_published_form() -> None:
    """A key matches the pattern of the command-line contract and passes its own checksum."""
    key = new_key()
    assert re.fullmatch(r"fta_[0-9A-Za-z]{38}", key)
    assert key_form(key) is KeyForm.WELL_FORMED


def test_key_form_tells_a_cut_off_key_from_a_wrong_one() -> None:
    """Every proper beginning of a key is incomplete; a key with one other character is wrong."""
    key = new_key()
    assert {key_form(key[:length]) for length in range(4, 42)} == {KeyForm.INCOMPLETE}
    other = key[:10] + ("A" if key[10] != "A" else "B") + key[11:]
    assert key_form(other) is KeyForm.WRONG


def test_key_form_when_the_key_is_hostile_is_wrong_and_never_raises() -> None:
    """Look-alikes, NUL bytes, a megabyte and lone surrogates are simply wrong."""
    for hostile in ("", "sk-abc", "fta-" + "a" * 38, "fta_" + "é" * 38, "fta_\0", "fta_" + "a" * 1_000_000, "\ud800"):
        assert key_form(hostile) is KeyForm.WRONG
        assert len(key_digest(hostile)) == 32


def test_key_visible_shows_eight_characters() -> None:
    """What may be stored and logged is the prefix and four random characters."""
    key = new_key()
    assert key_visible(key) == key[:8]
    assert len(key_visible(key)) == 8


def test_request_ids_are_unique_and_sort_by_time() -> None:
    """Ten thousand ids differ, and later ones do not sort before those of an earlier millisecond."""
    ids = [new_request_id() for _ in range(10_000)]
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"req_[0-9A-HJKMNP-TV-Z]{26}", request_id) for request_id in ids)
    stamps = [request_id[4:14] for request_id in ids]
    assert stamps == sorted(stamps)


def test_new_id_carries_its_prefix() -> None:
    """Accounts and keys are told apart by their ids."""
    assert new_id("acc").startswith("acc_")
