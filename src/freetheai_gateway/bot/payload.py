"""What Discord sends: the fields of an interaction that the desk reads, and a reader of forms that forgives."""

from collections.abc import Iterable, Iterator
from enum import IntEnum

import msgspec

from freetheai_gateway.jsonc import Decoder, InvalidJSON
from freetheai_gateway.services.key_desk.gates import Applicant
from freetheai_gateway.services.key_desk.subscriptions import Entitlement, active_skus, instant_of

_LONGEST_ID = 20
DEFAULT_ATTACHMENT_BYTES = 10 * 1024 * 1024
"""What Discord takes where a payload does not say it (documentation of attachments)."""
_DEEPEST = 6
"""Components nest three deep; a payload that goes on is not followed."""


class Kind(IntEnum):
    """Interaction types."""

    PING = 1
    COMMAND = 2
    COMPONENT = 3
    AUTOCOMPLETE = 4
    MODAL = 5


class User(msgspec.Struct, frozen=True):
    """A Discord account."""

    id: str
    username: str = ""
    global_name: str | None = None
    bot: bool = False
    system: bool = False


class Member(msgspec.Struct, frozen=True):
    """A user as a member of the server."""

    user: User | None = None
    nick: str | None = None
    roles: tuple[str, ...] = ()
    joined_at: str | None = None
    pending: bool | None = False
    communication_disabled_until: str | None = None


class Option(msgspec.Struct, frozen=True):
    """One option of a command, or a sub-command with its own."""

    name: str
    type: int = 0
    value: str | int | float | bool | None = None
    focused: bool = False
    options: tuple["Option", ...] = ()


class Attached(msgspec.Struct, frozen=True):
    """A file that a member attached."""

    url: str = ""
    size: int = 0


class Resolved(msgspec.Struct, frozen=True):
    """What ids in options stand for."""

    attachments: dict[str, Attached] = {}


class Data(msgspec.Struct, frozen=True):
    """What was called, pressed or filled in."""

    name: str = ""
    custom_id: str = ""
    values: tuple[str, ...] = ()
    options: tuple[Option, ...] = ()
    components: tuple[object, ...] = ()
    resolved: Resolved | None = None


class Interaction(msgspec.Struct, frozen=True):
    """One interaction. `token` is a secret for 15 minutes; the struct's text must reach no log."""

    type: int
    id: str = ""
    application_id: str = ""
    token: str = ""
    guild_id: str | None = None
    member: Member | None = None
    data: Data | None = None
    entitlements: tuple[Entitlement, ...] = ()
    attachment_size_limit: int = DEFAULT_ATTACHMENT_BYTES


read_interaction: Decoder[Interaction] = Decoder(Interaction)


def is_snowflake(text: str) -> bool:
    """Whether a text has the form of an id."""
    return 0 < len(text) <= _LONGEST_ID and text.isascii() and text.isdigit()


def applicant_of(member: Member, entitlements: Iterable[Entitlement] = (), now: float = 0.0) -> Applicant:
    """Take from a member what the gates look at. Raises `InvalidJSON` where there is no usable user in it."""
    user = member.user
    if user is None or not is_snowflake(user.id):
        raise InvalidJSON("the member has no user")
    return Applicant(
        discord_id=user.id,
        name=member.nick or user.global_name or user.username,
        joined_at=instant_of(member.joined_at),
        roles=member.roles,
        is_bot=user.bot or user.system,
        is_pending=bool(member.pending),
        timed_out_until=instant_of(member.communication_disabled_until) or 0.0,
        entitlements=active_skus(entitlements, user.id, now),
    )


def form_fields(components: tuple[object, ...]) -> dict[str, str]:
    """Read what was filled in, by custom id: labels and action rows, `value` and `values`; null is nothing."""
    return dict(_fields(components, _DEEPEST))


def _fields(components: object, depth: int) -> Iterator[tuple[str, str]]:
    if depth == 0 or not isinstance(components, list | tuple):
        return
    for component in components:
        if not isinstance(component, dict):
            continue
        name, value = component.get("custom_id"), component.get("value")
        if value is None and isinstance(component.get("values"), list) and component["values"]:
            value = component["values"][0]
        if isinstance(name, str) and isinstance(value, str):
            yield name, value
        yield from _fields([component.get("component")], depth - 1)
        yield from _fields(component.get("components"), depth - 1)
