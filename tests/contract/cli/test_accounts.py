"""`freetheai accounts`."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from freetheai_gateway.domain.accounts import Account, AccountState
from freetheai_gateway.store.accounts import SqlAccounts
from freetheai_gateway.store.database import Database
from tests.contract.cli.conftest import CommandLine, Object, WithDatabase

INSTANT = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"


@pytest.fixture
def account(command: CommandLine) -> str:
    """Make an account with one key; gives its id."""
    return str(command("keys", "create", "--name", "Ada", "--json").object["account_id"])


@pytest.fixture
def insert(with_database: WithDatabase[None]) -> Callable[[Account], None]:
    """Put an account into the store that no command makes."""

    def call(account: Account) -> None:
        async def work(database: Database) -> None:
            await SqlAccounts(database).create_account(account)

        with_database(work)

    return call


def test_list_gives_the_rows_of_the_admin_api(command: CommandLine, account: str) -> None:
    """A row has the fields of the contract, in its order, and nothing else."""
    listed = command("accounts", "list", "--json")
    assert list(listed.object) == ["object", "data", "next_cursor"]
    [row] = listed.rows
    assert re.fullmatch(INSTANT, str(row.pop("created_at")))
    assert list(row.items()) == [
        ("id", account),
        ("name", "Ada"),
        ("discord_id", None),
        ("tier", 1),
        ("tier_source", "default"),
        ("state", "active"),
        ("unlimited", False),
    ]


def test_list_in_pages_shows_every_account_once(command: CommandLine) -> None:
    """`--cursor` goes on where the page before ended."""
    ids = [command("keys", "create", "--name", "x", "--json").object["account_id"] for _ in range(3)]
    first = command("accounts", "list", "--limit", "2", "--json")
    second = command("accounts", "list", "--cursor", str(first.object["next_cursor"]), "--json")
    assert [row["id"] for row in first.rows + second.rows] == ids


def test_list_tells_where_a_tier_comes_from(command: CommandLine, insert: Callable[[Account], None]) -> None:
    """A role above the default counts, and an operator's override counts before it."""
    insert(Account("acc_1", "role", 1.0, discord_id="77", role_tier=4))
    insert(Account("acc_2", "override", 2.0, role_tier=4, tier_override=1))
    rows = command("accounts", "list", "--json").rows
    assert [(row["tier"], row["tier_source"], row["discord_id"]) for row in rows] == [
        (4, "role", "77"),
        (1, "override", None),
    ]


def test_a_tier_that_the_configuration_lost_counts_as_the_one_below(
    command: CommandLine, folder: Path, insert: Callable[[Account], None]
) -> None:
    """What is shown is the tier that holds."""
    insert(Account("acc_1", "old", 1.0, tier_override=4))
    tiers = "".join(
        f'[[tiers]]\nlevel = {level}\nname = "T{level}"\nrequests_per_minute = 1\nconcurrency = 1\n'
        for level in (1, 3, 9)
    )
    (folder / "freetheai.toml").write_text(tiers)
    [row] = command("accounts", "list", "--json").rows
    assert (row["tier"], row["tier_source"]) == (3, "override")


def test_show_gives_the_account_with_its_keys(command: CommandLine, account: str) -> None:
    """The account's fields, its suspension, and every key."""
    command("keys", "create", "--name", "phone", "--account", account)
    shown = command("accounts", "show", account, "--json").object
    keys = shown.pop("keys")
    assert isinstance(keys, list)
    assert [key["name"] for key in keys] == ["Ada", "phone"]
    assert keys == command("keys", "list", "--json").rows
    assert (shown.pop("pause_reason"), shown.pop("paused_until")) == (None, None)
    assert [shown] == command("accounts", "list", "--json").rows


def test_show_for_people_names_account_and_keys(command: CommandLine, account: str) -> None:
    """Everything is on stdout."""
    done = command("accounts", "show", account)
    assert done.err == ""
    assert account in done.out
    assert str(command("keys", "list", "--json").rows[0]["id"]) in done.out


def test_tier_sets_and_clears_the_override(command: CommandLine, account: str) -> None:
    """The answer is the account as it now is."""
    changed = command("accounts", "tier", account, "4", "--json").object
    assert (changed["tier"], changed["tier_source"]) == (4, "override")
    cleared = command("accounts", "tier", account, "--clear", "--json").object
    assert (cleared["tier"], cleared["tier_source"]) == (1, "default")


@pytest.mark.parametrize("arguments", [[], ["2", "--clear"], ["9"], ["high"]])
def test_tier_without_one_clear_wish_is_wrong_usage(command: CommandLine, account: str, arguments: list[str]) -> None:
    """Neither, both, no level of the configuration, no number: nothing is changed."""
    done = command("accounts", "tier", account, *arguments)
    assert (done.code, done.out) == (2, "")
    assert "'LEVEL'" in done.err or "'[LEVEL]'" in done.err
    assert command("accounts", "show", account, "--json").object["tier_source"] == "default"


def test_unlimited_takes_the_limits_away_and_gives_them_back(command: CommandLine, account: str) -> None:
    """The tier stays what it was."""
    assert command("accounts", "unlimited", account, "--json").object["unlimited"] is True
    changed = command("accounts", "unlimited", account, "--off", "--json").object
    assert (changed["unlimited"], changed["tier"]) == (False, 1)


def test_list_with_a_search_shows_what_is_called_so(command: CommandLine, account: str) -> None:
    """By a part of the name, or by the whole id."""
    command("keys", "create", "--name", "Bob")
    for search in ("ada", account):
        rows = command("accounts", "list", "--search", search, "--json").rows
        assert [row["id"] for row in rows] == [account]
    done = command("accounts", "list", "--search", "Eve")
    assert (done.out, done.err) == ("", "No account is called so.\n")


@pytest.mark.parametrize("reason", ["", "  ", "a\nb", "x" * 501])
def test_reason_that_is_none_is_wrong_usage(command: CommandLine, account: str, reason: str) -> None:
    """It is shown to the member, on one line."""
    done = command("accounts", "suspend", account, "--reason", reason)
    assert (done.code, done.out) == (2, "")
    assert "1 to 500 printable characters" in done.err


def test_suspend_and_restore_change_the_state(command: CommandLine, account: str) -> None:
    """The reason and the end are shown as long as the suspension holds."""
    arguments = ("--reason", "spam", "--until", "2999-01-01T02:00:00+02:00")
    suspended: Object = command("accounts", "suspend", account, *arguments, "--json").object
    assert suspended["state"] == "paused"
    shown = command("accounts", "show", account, "--json").object
    assert (shown["pause_reason"], shown["paused_until"]) == ("spam", "2999-01-01T00:00:00Z")
    assert command("accounts", "restore", account, "--json").object["state"] == "active"
    shown = command("accounts", "show", account, "--json").object
    assert (shown["pause_reason"], shown["paused_until"]) == (None, None)


def test_suspend_without_an_end_holds(command: CommandLine, account: str) -> None:
    """No `--until` means until restored."""
    assert command("accounts", "suspend", account, "--json").object["state"] == "paused"
    assert command("accounts", "show", account, "--json").object["paused_until"] is None


def test_a_suspension_whose_end_has_come_is_shown_as_over(
    command: CommandLine, insert: Callable[[Account], None]
) -> None:
    """A suspension with an end lifts itself; nobody has to write that down."""
    insert(Account("acc_1", "Ada", 1.0, state=AccountState.PAUSED, pause_reason="spam", paused_until=2.0))
    shown = command("accounts", "show", "acc_1", "--json").object
    assert (shown["state"], shown["pause_reason"], shown["paused_until"]) == ("active", None, None)


@pytest.mark.parametrize("until", ["tomorrow", "2001-01-01T00:00:00Z", "0h", "2999-01-01"])
def test_suspend_until_no_instant_to_come_is_wrong_usage(command: CommandLine, account: str, until: str) -> None:
    """What is no instant, or past, changes nothing."""
    done = command("accounts", "suspend", account, "--until", until)
    assert (done.code, done.out) == (2, "")
    assert f'"{until}"' in done.err
    assert command("accounts", "show", account, "--json").object["state"] == "active"


@pytest.mark.parametrize("verb", [["show"], ["tier", "--clear"], ["unlimited"], ["suspend"], ["restore"]])
def test_an_unknown_account_fails(command: CommandLine, verb: list[str]) -> None:
    """One sentence, exit code 1."""
    done = command("accounts", *verb, "acc_nobody")
    assert (done.code, done.out, done.err) == (1, "", 'Error: there is no account "acc_nobody"\n')


def test_export_prints_everything_by_account_and_by_discord_id(
    command: CommandLine, insert: Callable[[Account], None]
) -> None:
    """Requirement 30: an operator hands out what is kept about a person."""
    insert(Account("acc_1", "Ada", 1.0, discord_id="800000000000000001"))
    for wanted in ("acc_1", "800000000000000001"):
        data = command("accounts", "export", wanted).object
        assert data["object"] == "personal_data"
        assert isinstance(data["account"], dict)
        assert (data["account"]["name"], data["account"]["discord_id"]) == ("Ada", "800000000000000001")


def test_delete_erases_and_writes_down_who_did_it_and_not_whose_it_was(
    command: CommandLine, insert: Callable[[Account], None]
) -> None:
    """The audit list says that it was done, by whom and why."""
    insert(Account("acc_1", "Ada", 1.0, discord_id="800000000000000001"))
    done: Object = command("accounts", "delete", "800000000000000001", "--yes", "--reason", "asked", "--json").object
    assert (done["id"], done["erased"]) == ("acc_1", True)
    assert command("accounts", "show", "acc_1").code == 1
    entry = command("audit", "--json").rows[0]
    assert (entry["id"], entry["action"], entry["reason"]) == (done["audit_id"], "account.erase", "asked")
    assert str(entry["actor"]).startswith("cli:")
    assert "Ada" not in str(command("audit", "--json").object)


def test_delete_without_a_yes_changes_nothing(command: CommandLine, insert: Callable[[Account], None]) -> None:
    """Where nobody can be asked, the answer is no."""
    insert(Account("acc_1", "Ada", 1.0))
    assert command("accounts", "delete", "acc_1").code == 1
    assert command("accounts", "show", "acc_1").code == 0


@pytest.mark.parametrize("verb", [["export"], ["delete", "--yes"]])
def test_nobody_to_export_or_erase_fails(command: CommandLine, verb: list[str]) -> None:
    """A part of a name is nobody."""
    done = command("accounts", *verb, "Ad")
    assert (done.code, done.err) == (1, 'Error: there is no account "Ad"\n')
