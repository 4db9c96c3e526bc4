"""What Discord probes an endpoint for, and what it must never be answered."""

from collections.abc import Callable

import pytest

from freetheai_gateway.jsonc import decode_any, encode
from freetheai_gateway.testing.clock import FakeClock
from freetheai_gateway.testing.discord.person import Person
from freetheai_gateway.testing.discord.prober import PROBES, Probe, Signed
from freetheai_gateway.testing.discord.server import FakeDiscord
from freetheai_gateway.web.interactions import WINDOW_S
from tests.contract.discord.desk import Node

PING = encode({"type": 1, "application_id": "900000000000000001"})


async def test_ping_when_signed_then_pong(discord: FakeDiscord, node: Node) -> None:
    """Requirement 1: the registration of the endpoint succeeds, with nothing but a type in the body."""
    signed = Signed.of(discord, encode({"type": 1}))
    status, body = await node.post(signed.headers, signed.body)
    assert (status, decode_any(body)) == (200, {"type": 1})


@pytest.mark.parametrize("probe", PROBES, ids=lambda probe: probe.name)
async def test_request_when_anything_of_its_signature_is_wrong_then_401_and_no_write(
    discord: FakeDiscord, node: Node, ada: Person, probe: Probe
) -> None:
    """Requirement 2: always the same answer, and the database does not notice."""
    body = encode(ada.payload(2, {"id": "1", "name": "signup", "type": 1}))
    before = await node.feed.poll_once(), await _interactions(node)
    broken = probe.spoil(Signed.of(discord, body))
    status, answer = await node.post(broken.headers, broken.body)
    assert (status, answer) == (401, b'{"message":"invalid request signature"}')
    assert before[1] == await _interactions(node) == 0
    assert not node.log.entries


@pytest.mark.parametrize(("late_s", "status"), [(WINDOW_S, 200), (WINDOW_S + 1, 401), (-WINDOW_S - 1, 401)])
async def test_timestamp_when_outside_the_window_then_401(
    discord: FakeDiscord, node: Node, clock: FakeClock, late_s: float, status: int
) -> None:
    """Requirement 4: a request that was signed long ago, or by a clock far ahead, is refused."""
    signed = Signed.of(discord, PING)
    clock.advance(late_s)
    assert (await node.post(signed.headers, signed.body))[0] == status


@pytest.mark.parametrize(
    "spoil",
    [
        lambda _: b"{",
        lambda _: b"[]",
        lambda payload: encode(payload | {"id": "not-a-number"}),
        lambda payload: encode(payload | {"application_id": "1"}),
        lambda payload: encode(payload | {"member": {"user": {"id": "x"}}}),
        lambda payload: encode(payload | {"data": 5}),
    ],
    ids=["cut", "array", "id", "application", "user", "data"],
)
async def test_payload_when_malformed_then_400(
    discord: FakeDiscord, node: Node, ada: Person, spoil: Callable[[dict[str, object]], bytes]
) -> None:
    """Requirement 3: what is signed and still no interaction is refused, and is no fault of ours."""
    signed = Signed.of(discord, spoil(ada.payload(2, {"name": "signup", "type": 1})))
    assert (await node.post(signed.headers, signed.body))[0] == 400


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        (2, {"name": "unheard-of"}),
        (3, {"custom_id": "models:x:", "component_type": 2}),
        (3, {"custom_id": "models:99999999999:", "component_type": 2}),
        (3, {"custom_id": "", "component_type": 2}),
        (5, {"custom_id": "nothing", "components": [{"type": 1, "components": [{"custom_id": 5}, 7]}]}),
        (2, None),
        (9, {"name": "signup"}),
    ],
)
async def test_interaction_when_unknown_then_told_that_it_is_outdated(
    ada: Person, kind: int, data: dict[str, object] | None
) -> None:
    """Requirement 3: commands, buttons and forms of another version are answered politely."""
    status, body = await ada.send(ada.payload(kind, data))
    assert status == 200
    assert b"outdated" in body


@pytest.mark.parametrize("fields", [{"guild_id": "5"}, {"guild_id": None, "member": None, "user": {"id": "5"}}])
async def test_interaction_when_from_elsewhere_then_refused(ada: Person, fields: dict[str, object]) -> None:
    """Requirement 6: other servers and direct messages are told where to go, whatever they ask."""
    answer = await ada.act(2, {"name": "signup"}, **fields)
    assert answer["data"]["flags"] & 64
    assert "server" in answer["data"]["content"]


async def test_body_when_larger_than_the_cap_then_413(discord: FakeDiscord, node: Node) -> None:
    """A body of 5 MB is not read to its end."""
    signed = Signed.of(discord, b" " * 5_000_000)
    assert (await node.post(signed.headers, signed.body))[0] == 413


async def _interactions(node: Node) -> int:
    async with node.database.read("counting") as connection:
        return int((await connection.exec_driver_sql("SELECT count(*) FROM discord_interactions")).scalar_one())
