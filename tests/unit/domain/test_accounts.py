"""Which tier holds for an account, and whether it is paused."""

import pytest

from freetheai_gateway.domain.accounts import Account, AccountState, effective_tier, is_paused


def _account(state: AccountState = AccountState.ACTIVE, paused_until: float | None = None) -> Account:
    return Account("acc_1", "Member", 0.0, state=state, paused_until=paused_until)


@pytest.mark.parametrize(
    ("override", "role", "expected"),
    [
        (None, None, (2, "default")),
        (None, 4, (4, "role")),
        (None, 1, (2, "default")),
        (None, 2, (2, "default")),
        (5, 4, (5, "override")),
        (1, 4, (1, "override")),
    ],
)
def test_tier_is_the_operators_word_then_the_role_then_the_default(
    override: int | None, role: int | None, expected: tuple[int, str]
) -> None:
    """An operator may set less than the default; a role never takes away."""
    account = Account("acc_1", "Member", 0.0, tier_override=override, role_tier=role)
    assert effective_tier(account, 2) == expected


@pytest.mark.parametrize(
    ("account", "paused"),
    [
        (_account(), False),
        (_account(AccountState.LEFT), False),
        (_account(AccountState.PAUSED), True),
        (_account(AccountState.PAUSED, paused_until=100.5), True),
        (_account(AccountState.PAUSED, paused_until=100.0), False),
        (_account(AccountState.PAUSED, paused_until=99.0), False),
        (_account(AccountState.ACTIVE, paused_until=200.0), False),
    ],
)
def test_pause_when_it_has_an_end_then_it_lifts_itself(account: Account, paused: bool) -> None:
    """At the instant of its end the account is served again."""
    assert is_paused(account, now=100.0) is paused
