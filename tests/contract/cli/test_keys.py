"""`freetheai keys`."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from freetheai_gateway.domain.accounts import Caller
from freetheai_gateway.ids import KeyForm, key_digest, key_form
from freetheai_gateway.store.accounts import SqlAccounts
from freetheai_gateway.store.database import Database
from tests.contract.cli.conftest import CommandLine, Object, Outcome, WithDatabase

ULID = "[0-9A-HJKMNP-TV-Z]{26}"
INSTANT = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"

FindCaller = Callable[[object], Caller | None]


@pytest.fixture
def find_caller(with_database: WithDatabase[Caller | None]) -> FindCaller:
    """Ask the store who a key belongs to, as authentication does."""

    def find(key: object) -> Caller | None:
        async def work(database: Database) -> Caller | None:
            return await SqlAccounts(database).find_caller(key_digest(str(key)))

        return with_database(work)

    return find


def create(command: CommandLine, *options: str) -> Object:
    return command("keys", "create", "--name", "Ada", *options, "--json").object


def test_create_as_json_gives_the_documented_object(command: CommandLine) -> None:
    """The object has the fields of the contract, in its order, and nothing else."""
    made = create(command)
    assert list(made) == ["id", "account_id", "name", "prefix", "key", "tier"]
    assert re.fullmatch(f"key_{ULID}", str(made["id"]))
    assert re.fullmatch(f"acc_{ULID}", str(made["account_id"]))
    key = str(made["key"])
    assert key_form(key) is KeyForm.WELL_FORMED
    assert (made["name"], made["prefix"], made["tier"]) == ("Ada", key[:8], 1)


def test_create_for_people_puts_the_key_alone_on_stdout(command: CommandLine, find_caller: FindCaller) -> None:
    """`KEY=$(freetheai keys create … | tail -1)` is the key; what people want to know besides is on stderr."""
    done = command("keys", "create", "--name", "Ada")
    assert done.code == 0
    assert key_form(done.out.removesuffix("\n")) is KeyForm.WELL_FORMED
    caller = find_caller(done.out.removesuffix("\n"))
    assert caller is not None
    assert caller.key_id in done.err
    assert caller.account.id in done.err
    assert "tier 1" in done.err


def test_create_with_a_tier_overrides_the_default(command: CommandLine, find_caller: FindCaller) -> None:
    """`--tier` is kept with the account and shown."""
    made = create(command, "--tier", "3")
    assert made["tier"] == 3
    caller = find_caller(made["key"])
    assert caller is not None
    assert caller.account.tier_override == 3


def test_create_with_an_unknown_tier_names_the_levels(command: CommandLine) -> None:
    """A level that the configuration does not have is wrong usage, and nothing is made."""
    done = command("keys", "create", "--name", "Ada", "--tier", "9")
    assert (done.code, done.out) == (2, "")
    assert "1 (Starter), 2 (Member), 3 (Regular), 4 (Veteran), 5 (Ambassador)" in done.err
    assert command("accounts", "list", "--json").rows == []


def test_create_unlimited_makes_an_account_without_limits(command: CommandLine, find_caller: FindCaller) -> None:
    """`--unlimited` is kept with the account; its tier stays the default one."""
    made = create(command, "--unlimited")
    assert made["tier"] == 1
    caller = find_caller(made["key"])
    assert caller is not None
    assert caller.account.unlimited


def test_create_for_an_account_adds_a_key(command: CommandLine) -> None:
    """`--account` makes one more key of the account, whose tier it shows."""
    first = create(command, "--tier", "2")
    second = command("keys", "create", "--name", "phone", "--account", str(first["account_id"]), "--json").object
    assert (second["account_id"], second["name"], second["tier"]) == (first["account_id"], "phone", 2)
    assert second["key"] != first["key"]
    assert len(command("accounts", "list", "--json").rows) == 1


def test_create_for_an_unknown_account_fails(command: CommandLine) -> None:
    """An account that is not there is a failure and no wrong usage."""
    done = command("keys", "create", "--name", "phone", "--account", "acc_nobody")
    assert (done.code, done.out, done.err) == (1, "", 'Error: there is no account "acc_nobody"\n')


@pytest.mark.parametrize("options", [["--tier", "2"], ["--unlimited"]])
def test_create_for_an_account_with_options_of_a_new_one_is_wrong_usage(
    command: CommandLine, options: list[str]
) -> None:
    """Tier and limits belong to the account and are not changed in passing."""
    account = str(create(command)["account_id"])
    done = command("keys", "create", "--name", "phone", "--account", account, *options)
    assert (done.code, done.out) == (2, "")
    assert "new accounts" in done.err


@pytest.mark.parametrize("name", ["", "  ", "a\nb", "\x1b[31mred", "x" * 81])
def test_create_with_a_name_that_is_none_is_wrong_usage(command: CommandLine, name: str) -> None:
    """A name is short, printable and not empty."""
    done = command("keys", "create", "--name", name)
    assert (done.code, done.out) == (2, "")
    assert "1 to 80 printable characters" in done.err


def test_list_gives_the_documented_rows(command: CommandLine) -> None:
    """A row has the fields of the contract; no part of a key but its prefix."""
    made = create(command)
    listed = command("keys", "list", "--json").object
    assert list(listed) == ["object", "data", "next_cursor"]
    assert (listed["object"], listed["next_cursor"]) == ("list", None)
    [row] = command("keys", "list", "--json").rows
    created_at = row.pop("created_at")
    assert re.fullmatch(INSTANT, str(created_at))
    assert row == {
        "id": made["id"],
        "account_id": made["account_id"],
        "name": "Ada",
        "prefix": made["prefix"],
        "revoked_at": None,
    }


def test_list_in_pages_shows_every_key_once(command: CommandLine) -> None:
    """`--cursor` goes on where the page before ended."""
    ids = [create(command)["id"] for _ in range(3)]
    first = command("keys", "list", "--limit", "2", "--json")
    second = command("keys", "list", "--limit", "2", "--cursor", str(first.object["next_cursor"]), "--json")
    assert [row["id"] for row in first.rows + second.rows] == ids
    assert second.object["next_cursor"] is None


def test_list_for_people_says_how_to_go_on(command: CommandLine) -> None:
    """The cursor of the next page is a message, not a row."""
    ids = [str(create(command)["id"]) for _ in range(2)]
    done = command("keys", "list", "--limit", "1")
    assert [words[0] for words in done.lines] == ids[:1]
    assert f"--cursor {ids[0]}" in done.err


def test_list_of_one_account_leaves_the_others_out(command: CommandLine) -> None:
    """`--account` filters."""
    made = create(command)
    create(command)
    rows = command("keys", "list", "--account", str(made["account_id"]), "--json").rows
    assert [row["id"] for row in rows] == [made["id"]]


def test_list_with_a_foreign_cursor_is_wrong_usage(command: CommandLine) -> None:
    """A cursor that no page gave is refused."""
    done = command("keys", "list", "--cursor", "key_nowhere")
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("Error: ")


def test_list_without_keys_says_how_to_make_one(command: CommandLine) -> None:
    """An empty table is a message on stderr."""
    done = command("keys", "list")
    assert (done.code, done.out) == (0, "")
    assert "freetheai keys create" in done.err


def test_rotate_replaces_the_key(command: CommandLine, find_caller: FindCaller) -> None:
    """The new key is the account's, has the old one's name, and the old one is refused."""
    old = create(command, "--tier", "2")
    new = command("keys", "rotate", str(old["id"]), "--json").object
    assert list(new) == list(old)
    assert (new["account_id"], new["name"], new["tier"]) == (old["account_id"], "Ada", 2)
    assert find_caller(old["key"]) is None
    caller = find_caller(new["key"])
    assert caller is not None
    assert caller.key_id == new["id"]


def test_rotate_for_people_puts_the_key_alone_on_stdout(command: CommandLine) -> None:
    """As `create` does."""
    done = command("keys", "rotate", str(create(command)["id"]))
    assert key_form(done.out.removesuffix("\n")) is KeyForm.WELL_FORMED


def test_revoke_refuses_the_key(command: CommandLine, find_caller: FindCaller) -> None:
    """A revoked key is found no more and is listed with its time."""
    made = create(command)
    revoked = command("keys", "revoke", str(made["id"]), "--json").object
    assert list(revoked) == ["id", "account_id", "name", "prefix", "created_at", "revoked_at"]
    assert re.fullmatch(INSTANT, str(revoked["revoked_at"]))
    assert find_caller(made["key"]) is None
    assert command("keys", "list", "--json").rows == [revoked]


@pytest.mark.parametrize("verb", ["rotate", "revoke"])
def test_a_key_that_is_unknown_or_revoked_fails(command: CommandLine, folder: Path, verb: str) -> None:
    """Neither verb does anything to a key that is not in force."""
    made = create(command)
    command("keys", "revoke", str(made["id"]))
    for key_id in (str(made["id"]), "key_nowhere"):
        done: Outcome = command("keys", verb, key_id)
        assert (done.code, done.out) == (1, "")
        assert done.err == f'Error: there is no key "{key_id}" that is not revoked\n'
