"""A person in the fake's server: what they type, press and fill in, within what a real client lets them."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from freetheai_gateway.jsonc import decode_any, encode
from freetheai_gateway.testing.discord.rules import check_answer, check_called, check_filled
from freetheai_gateway.testing.discord.server import APPLICATION_ID, GUILD_ID, FakeDiscord, Shown

Post = Callable[[list[tuple[bytes, bytes]], bytes], Awaitable[tuple[int, bytes]]]
"""Sends headers and body to the interactions endpoint; gives status and body."""
Answer = dict[str, Any]
_DAY_S = 86_400.0


class Person:
    """One member. `last` is the newest interaction, whose message is what they see at the end."""

    def __init__(
        self, discord: FakeDiscord, post: Post, name: str, *, age_days: float = 365.0, member_days: float = 30.0
    ) -> None:
        self.discord = discord
        self.name = name
        now = discord.clock.wall()
        self.id = discord.snowflake(now - age_days * _DAY_S)
        self.member: dict[str, Any] = {
            "user": {"id": self.id, "username": name.lower(), "global_name": name, "discriminator": "0"},
            "nick": None,
            "roles": [],
            "joined_at": _iso(now - member_days * _DAY_S),
            "pending": False,
            "flags": 0,
            "permissions": "2147483647",
            "communication_disabled_until": None,
        }
        discord.members[self.id] = self.member
        discord.users[self.id] = self.member["user"]
        self.last: Shown | None = None
        self.post = post

    async def slash(self, name: str, *options: Answer) -> Answer:
        """Run a command that Discord knows, with options that it has."""
        check_called(self.discord.commands, name, options)
        return await self.act(2, {"id": "1", "name": name, "type": 1, "options": list(options)})

    async def attach(self, name: str, url: str, size: int, *options: Answer) -> Answer:
        """Run a command with a file as its option `reference`."""
        reference = {"type": 11, "name": "reference", "value": "1"}
        check_called(self.discord.commands, name, [*options, reference])
        attached = {"id": "1", "filename": "mine.png", "content_type": "image/png", "url": url, "size": size}
        data = {"id": "1", "name": name, "type": 1, "options": [*options, reference]}
        return await self.act(2, data | {"resolved": {"attachments": {"1": attached}}})

    async def type_ahead(self, name: str, option: str, value: str) -> list[str]:
        """Type into an option that completes itself."""
        assert any(command["name"] == name for command in self.discord.commands), f"/{name} is not known to Discord"
        focused = {"type": 3, "name": option, "value": value, "focused": True}
        answer = await self.act(4, {"id": "1", "name": name, "type": 1, "options": [focused]})
        return [choice["value"] for choice in answer["data"]["choices"]]

    async def press(self, message: Mapping[str, Any], custom_id: str, *values: str) -> Answer:
        """Press a button, or choose in a menu, of a message that this person sees."""
        offered = [part["custom_id"] for row in message["components"] for part in row["components"]]
        assert custom_id in offered, f"{custom_id} is not on the message"
        return await self.act(3, {"custom_id": custom_id, "component_type": 3 if values else 2, "values": list(values)})

    async def fill_in(self, modal: Answer, **filled: str) -> Answer:
        """Send a form in."""
        assert modal["type"] == 9, f"no form but {modal}"
        check_filled(modal["data"], filled)
        labels = [part["component"] for part in modal["data"]["components"] if part["type"] == 18]
        components = [
            {
                "type": 18,
                "component": {"type": 4, "custom_id": part["custom_id"], "value": filled.get(part["custom_id"], "")},
            }
            for part in labels
        ]
        return await self.act(5, {"custom_id": modal["data"]["custom_id"], "components": components})

    async def act(self, kind: int, data: Answer | None, **fields: object) -> Answer:
        """Send an interaction of any kind and take its first answer, which must be legal."""
        status, body = await self.send(self.payload(kind, data, **fields))
        assert status == 200, f"{status}: {body!r}"
        answer = decode_any(body)
        assert isinstance(answer, dict)
        check_answer(kind, answer, from_message=kind == 3)
        if answer["type"] == 9:
            self.discord.modals.append(answer)
        return answer

    def payload(self, kind: int, data: Answer | None, **fields: object) -> Answer:
        """Make an interaction of this person's."""
        now = self.discord.clock.wall()
        interaction_id = self.discord.snowflake()
        token = f"interaction-token-{interaction_id}"
        self.last = self.discord.interactions[token] = Shown(token, now)
        payload = {
            "type": kind,
            "id": interaction_id,
            "application_id": APPLICATION_ID,
            "token": token,
            "version": 1,
            "guild_id": GUILD_ID,
            "channel_id": "1",
            "context": 0,
            "locale": "en-GB",
            "member": self.member,
            "data": data,
            "entitlements": self.discord.entitlements.get(self.id, []),
            "attachment_size_limit": self.discord.attachment_bytes,
        }
        return payload | fields

    async def send(self, payload: Answer) -> tuple[int, bytes]:
        """Sign and send a payload; an answer acknowledges the interaction."""
        body = encode(payload)
        timestamp = str(int(self.discord.clock.wall())).encode()
        signature = self.discord.private_key.sign(timestamp + body).hex().encode()
        headers = [
            (b"content-type", b"application/json"),
            (b"x-signature-ed25519", signature),
            (b"x-signature-timestamp", timestamp),
        ]
        status, answer = await self.post(headers, body)
        shown = self.discord.interactions.get(str(payload.get("token")))
        if shown is not None and status == 200:
            shown.acknowledged = True
        return status, answer

    async def sees(self) -> Answer:
        """Wait until the deferred answer to the newest interaction has become a message."""
        assert self.last is not None
        await self.last.changed.wait()
        assert self.last.message is not None
        return self.last.message


def _iso(wall_s: float) -> str:
    return datetime.fromtimestamp(wall_s, UTC).isoformat()
