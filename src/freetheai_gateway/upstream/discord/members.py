"""Members of the server by REST, as their own commands show them: the port `Members`."""

from urllib.parse import quote

import msgspec

from freetheai_gateway.clock import Clock
from freetheai_gateway.jsonc import Decoder, InvalidJSON
from freetheai_gateway.services.key_desk.gates import Applicant
from freetheai_gateway.services.key_desk.ports import DeliveryFailed
from freetheai_gateway.services.key_desk.subscriptions import Entitlement, active_skus
from freetheai_gateway.upstream.discord.rest import Call, DiscordRest


class _Member(msgspec.Struct, frozen=True):
    roles: tuple[str, ...] = ()


_read_member: Decoder[_Member] = Decoder(_Member)
_read_entitlements: Decoder[list[Entitlement]] = Decoder(list[Entitlement])


class RestMembers:
    """Implements `Members`. Subscriptions are asked for only where they give a tier: a second call."""

    def __init__(self, rest: DiscordRest, guild_id: str, clock: Clock, *, with_entitlements: bool = False) -> None:
        self._rest = rest
        self._guild_id = guild_id
        self._clock = clock
        self._with_entitlements = with_entitlements

    async def find_member(self, discord_id: str) -> Applicant:
        """Find a member. Raises `DeliveryFailed`; its code says why, 0 where Discord gave no sense."""
        path = f"/guilds/{self._guild_id}/members/{quote(discord_id)}"
        answer = await self._rest.call(Call("GET", path, "member"))
        try:
            member = _read_member(answer)
            skus = await self._skus(discord_id) if self._with_entitlements else ()
        except InvalidJSON:
            raise DeliveryFailed from None
        return Applicant(discord_id, "", roles=member.roles, entitlements=skus)

    async def _skus(self, discord_id: str) -> tuple[str, ...]:
        path = f"/applications/{self._rest.application_id}/entitlements?user_id={quote(discord_id)}&exclude_ended=true"
        found = _read_entitlements(await self._rest.call(Call("GET", path, "entitlements")))
        return active_skus(found, discord_id, self._clock.wall())
