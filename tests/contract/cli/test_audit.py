"""`freetheai audit`."""

import re
from getpass import getuser

from tests.contract.cli.conftest import CommandLine

INSTANT = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"


def test_every_change_by_a_command_is_listed_with_who_and_why(command: CommandLine) -> None:
    """The newest first; what is only read leaves nothing."""
    made = command("keys", "create", "--name", "Ada", "--tier", "2", "--json").object
    account = str(made["account_id"])
    command("accounts", "show", account)
    command("accounts", "tier", account, "4", "--reason", "helps others")
    command("accounts", "unlimited", account)
    command("accounts", "suspend", account, "--reason", "spam", "--until", "2999-01-01T00:00:00Z")
    command("accounts", "restore", account)
    rotated = command("keys", "rotate", str(made["id"]), "--json").object
    command("keys", "revoke", str(rotated["id"]), "--reason", "leaked")
    rows = command("audit", "--json").rows
    assert [(row["action"], row["subject"], row["reason"]) for row in rows] == [
        ("key.revoke", rotated["id"], "leaked"),
        ("key.rotate", made["id"], None),
        ("account.restore", account, None),
        ("account.suspend", account, "spam"),
        ("account.change", account, None),
        ("account.change", account, "helps others"),
        ("account.create", account, None),
    ]
    assert {(row["actor"], row["account_id"]) for row in rows} == {(f"cli:{getuser()}", account)}
    assert (rows[5]["before"], rows[5]["after"]) == ({"tier_override": 2}, {"tier_override": 4})
    assert all(re.fullmatch(INSTANT, str(row["at"])) for row in rows)
    assert str(made["key"]) not in command("audit", "--json").out


def test_list_for_people_shows_what_is_different(command: CommandLine) -> None:
    """Only what changed, from what to what."""
    account = str(command("keys", "create", "--name", "Ada", "--json").object["account_id"])
    command("accounts", "tier", account, "4")
    command("accounts", "suspend", account, "--reason", "spam")
    newest, before, _ = command("audit").lines
    assert " ".join(newest[1:]).endswith(
        f"account.suspend {account} state active -> paused, pause_reason none -> spam spam"
    )
    assert " ".join(before).endswith(f"account.change {account} tier_override none -> 4 -")


def test_list_of_one_account_in_pages_leaves_the_others_out(command: CommandLine) -> None:
    """`--account` filters, `--cursor` goes on."""
    ada, _ = (str(command("keys", "create", "--name", name, "--json").object["account_id"]) for name in ("A", "B"))
    command("keys", "create", "--name", "phone", "--account", ada)
    first = command("audit", "--account", ada, "--limit", "1", "--json")
    second = command("audit", "--account", ada, "--cursor", str(first.object["next_cursor"]), "--json")
    assert [row["action"] for row in first.rows + second.rows] == ["key.create", "account.create"]


def test_list_when_nothing_was_changed_says_so(command: CommandLine) -> None:
    """An empty table is a message."""
    done = command("audit")
    assert (done.code, done.out, done.err) == (0, "", "Nothing was changed yet.\n")
