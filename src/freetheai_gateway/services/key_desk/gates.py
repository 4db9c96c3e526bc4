"""The hard gates of sign-up: decided from what Discord signed and the clock, with no question to anybody."""

from dataclasses import dataclass

from freetheai_gateway.clock import DAY_S

DISCORD_EPOCH_MS = 1_420_070_400_000
"""2015-01-01: ids count milliseconds from here (https://docs.discord.com/developers/reference, snowflakes)."""


class Refused(Exception):
    """The desk says no; the text is a whole sentence for the member."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


@dataclass(frozen=True, slots=True)
class Applicant:
    """A member of the server as the signed payload shows them. Instants are wall-clock seconds."""

    discord_id: str
    name: str
    joined_at: float | None = None
    roles: tuple[str, ...] = ()
    is_bot: bool = False
    is_pending: bool = False
    """Has not accepted the server's rules yet."""
    timed_out_until: float = 0.0
    entitlements: tuple[str, ...] = ()
    """SKUs of the application that this member has paid for and may use now."""
    tier: int | None = None
    """The highest tier that roles and entitlements give, once `Membership` has looked."""


@dataclass(frozen=True, slots=True)
class SignUpRules:
    """`[discord.signup]`."""

    is_open: bool = True
    minimum_account_age_s: float = 7 * DAY_S
    minimum_membership_s: float = 0.0
    asks_question: bool = True
    per_hour: int = 60
    reset_cooldown_s: float = 600.0


def created_at(discord_id: str) -> float:
    """Read from an id when its owner came to be, in wall-clock seconds."""
    return ((int(discord_id) >> 22) + DISCORD_EPOCH_MS) / 1000.0


def day_of(interaction_id: str) -> int:
    """Read from an id the UTC day on which it was made, counted from 1970."""
    return int(created_at(interaction_id) // DAY_S)


def moment(wall_s: float) -> str:
    """Render an instant so that Discord shows it as "in 5 minutes"."""
    return f"<t:{int(-(-wall_s // 1))}:R>"


def check_gates(applicant: Applicant, rules: SignUpRules, now: float) -> None:
    """Check everything that needs no database. Raises `Refused`, which says when it may be tried again."""
    if not rules.is_open:
        raise Refused("Sign-up is paused at the moment. Keys that exist go on working.")
    if applicant.is_bot:
        raise Refused("Keys are for people; bots are given none.")
    if applicant.is_pending:
        raise Refused("Accept the rules of this server first, then run /signup again.")
    if applicant.timed_out_until > now:
        raise Refused(f"You are timed out here. Run /signup again {moment(applicant.timed_out_until)}.")
    old_enough = created_at(applicant.discord_id) + rules.minimum_account_age_s
    if now < old_enough:
        raise Refused(f"Your Discord account is too young for a key. Run /signup again {moment(old_enough)}.")
    if rules.minimum_membership_s:
        if applicant.joined_at is None:
            raise Refused("Discord does not say when you joined this server, so that no key can be given.")
        long_enough = applicant.joined_at + rules.minimum_membership_s
        if now < long_enough:
            raise Refused(f"You joined this server too recently for a key. Run /signup again {moment(long_enough)}.")
