"""One walk through everything, told as it happens (`pytest -s`), and a search for secrets afterwards."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest

from freetheai_gateway.clock import SystemClock
from freetheai_gateway.jsonc import encode
from freetheai_gateway.testing.discord.person import Person
from freetheai_gateway.testing.discord.prober import PROBES, Signed
from freetheai_gateway.testing.discord.server import BOT_TOKEN, FakeDiscord
from freetheai_gateway.testing.discord.solve import question_of, solve
from freetheai_gateway.testing.upstream import ScriptedUpstream
from tests.contract.discord.desk import filled, key_in, outcome, reset, sign_up, submit_of
from tests.contract.discord.whole import Whole, open_whole, until

CLIENT_SECRET = "client-secret-of-the-walk"
PROMPT = "Say hello to the otters."
TABLES = {
    "discord": {"client_secret": CLIENT_SECRET, "signup": {"reset_cooldown_minutes": 0}},
    "access": {"check_in": True},
}


@dataclass
class Stage:
    """Two nodes on one database, real time, and what must be found nowhere."""

    discord: FakeDiscord
    one: Whole
    other: Whole
    folder: Path
    clock: SystemClock = field(default_factory=SystemClock)
    secrets: list[str] = field(default_factory=lambda: [BOT_TOKEN, CLIENT_SECRET, PROMPT])
    begun: float = 0.0

    def tell(self, text: str) -> None:
        """Print a line of the transcript with its time."""
        print(f"{(self.clock.monotonic() - self.begun) * 1000:7.0f} ms  {text}")

    def person(self, node: Whole, name: str, as_one: Person | None = None) -> Person:
        """Let a person talk to a node."""
        person = Person(self.discord, node.post, name)
        if as_one is not None:
            person.id, person.member = as_one.id, as_one.member
        return person


@pytest.fixture
async def stage(upstream: ScriptedUpstream, folder: Path) -> AsyncIterator[Stage]:
    """Open both nodes."""
    clock = SystemClock()
    discord = FakeDiscord(clock)
    one, other = [await open_whole(discord, upstream, folder, name, TABLES) for name in ("one", "other")]
    stage = Stage(discord, one, other, folder, begun=clock.monotonic())
    yield stage
    for node in (one, other):
        await node.gateway.close()


async def test_walk_when_taken_as_a_member_does_then_every_step_holds(stage: Stage) -> None:
    """Requirement 16: sign-up, first request, numbers, reset, the old key refused on both nodes, the same numbers."""
    ada = stage.person(stage.one, "Ada")
    old = await sign_up(ada)
    stage.tell(f"Ada runs /signup, answers the question and has {old[:8]}…")
    refused = await stage.one.chat(old)
    stage.tell(f"first request: {refused.status} {refused.code}")
    stage.tell((await filled(ada, await ada.slash("checkin")))["data"]["content"])
    await until(lambda: stage.one.serves(old))
    stage.tell("chat with the new key: 200")
    counts = await _counts(stage, ada, "Today (UTC): 1 answer to 1 request")
    assert (await stage.other.chat(old)).status == 200
    counts = await _counts(stage, ada, "Today (UTC): 2 answers to 2 requests")
    new = await reset(ada)
    replaced = stage.clock.monotonic()
    stage.tell(f"Ada runs /resetkey and has {new[:8]}…")
    for name, node in (("this", stage.one), ("another", stage.other)):
        await until(partial(_is_refused, node, old))
        late_ms = (stage.clock.monotonic() - replaced) * 1000
        stage.tell(f"the old key is refused by {name} node with 401, {late_ms:.0f} ms after the new one was shown")
        assert late_ms < 1_000
    assert await _counts(stage, ada, "Today (UTC): 2 answers to 2 requests") == counts
    assert (await stage.other.chat(new)).status == 200
    stage.tell("chat with the new key on another node: 200, no second check-in asked")


async def test_walk_when_two_submits_run_at_once_on_two_nodes_then_one_account_and_one_key(stage: Stage) -> None:
    """Requirements 5 and 15: and the same signed payload again has no effect and holds no secret."""
    ada = stage.person(stage.one, "Ada")
    elsewhere = stage.person(stage.other, "Ada", ada)
    forms = await ada.slash("signup"), await elsewhere.slash("signup")
    seen = await asyncio.gather(outcome(ada, forms[0]), outcome(elsewhere, forms[1]))
    stage.tell(f"two submits on two nodes: {sorted('fta_' in text for text in seen)} hold a key")
    counts = [stage.one.count(table) for table in ("accounts", "api_keys")]
    stage.tell(f"accounts and keys: {counts}")
    assert counts == [1, 1]
    eve = stage.person(stage.one, "Eve")
    payload = eve.payload(5, submit_of(await eve.slash("signup")))
    first = await eve.send(payload)
    key = key_in(await eve.sees())
    edits = len(stage.discord.calls)
    for node in (stage.one, stage.other):
        again = await stage.person(node, "Eve", eve).send(payload)
        stage.tell(f"the same signed payload again: {again[0]} {again[1].decode()}")
        assert again == first
        assert key.encode() not in again[1]
    assert len(stage.discord.calls) == edits
    assert stage.one.count("api_keys") == 2


async def test_walk_when_probed_then_401_each_time_and_no_write(
    stage: Stage, capfd: pytest.CaptureFixture[str]
) -> None:
    """Requirement 2: the prober's whole list against a whole gateway."""
    ada = stage.person(stage.one, "Ada")
    body = encode(ada.payload(2, {"id": "1", "name": "signup", "type": 1}))
    before = _tables(stage)
    capfd.readouterr()
    answers = {}
    for probe in PROBES:
        broken = probe.spoil(Signed.of(stage.discord, body))
        answers[probe.name] = await stage.one.post(broken.headers, broken.body)
    logged = capfd.readouterr().err
    for name, (status, _) in answers.items():
        stage.tell(f"{status}  {name}")
    assert set(answers.values()) == {(401, b'{"message":"invalid request signature"}')}
    assert "Traceback" not in logged
    assert _tables(stage) == before


async def test_walk_when_everything_was_done_then_no_secret_is_found_anywhere(
    stage: Stage, capfd: pytest.CaptureFixture[str]
) -> None:
    """Requirement 18: keys, tokens and answers are in no log, file, metric, transcript or message but the one."""
    ada, eve = stage.person(stage.one, "Ada"), stage.person(stage.other, "Eve")
    for person in (ada, eve):
        stage.secrets.append(await sign_up(person))
    stage.secrets.append(await reset(ada))
    key = stage.secrets[-1]
    for command in ("stats", "models", "tiers", "tiermodels", "modelstats", "leaderboard"):
        stage.tell(str((await ada.slash(command))["data"]["content"]))
    form = await ada.slash("checkin")
    await ada.fill_in(form, answer=f"not {solve(question_of(form))}")
    await filled(ada, await ada.slash("checkin"))
    await until(lambda: stage.one.serves(key))
    await stage.one.chat(key, PROMPT)
    await ada.slash("generate", {"type": 3, "name": "prompt", "value": "a heron"})
    await ada.sees()
    await stage.one.chat("fta_" + "x" * 38)
    metrics = await stage.one.call("GET", "/metrics", "")
    stage.secrets += [shown.token for shown in stage.discord.interactions.values()]
    stage.secrets += [answer for answer in _answers_of(stage.discord) if len(answer) > 3]  # digits are everywhere
    for node in (stage.one, stage.other):
        await node.gateway.close()
    said = capfd.readouterr()
    files = {str(path): path.read_bytes() for path in stage.folder.rglob("*") if path.is_file()}
    assert any(name.endswith("gateway.db") for name in files)
    places = files | {
        "stdout": said.out.encode(),
        "stderr": said.err.encode(),
        "metrics": metrics.body,
    }
    assert b"freetheai_requests_total" in metrics.body
    found = {(secret[:8], name) for secret in stage.secrets for name, data in places.items() if secret.encode() in data}
    assert not found
    keys = [secret for secret in stage.secrets if secret.startswith("fta_")]
    holders = [call for call in stage.discord.calls if any(key.encode() in call.body for key in keys)]
    assert len(holders) == len(keys)
    assert all(call.target.endswith("/messages/@original") and call.method == "PATCH" for call in holders)


def _answers_of(discord: FakeDiscord) -> Iterator[str]:
    for modal in discord.modals:
        question = question_of(modal)
        if question:
            yield solve(question)


async def _counts(stage: Stage, person: Person, wanted: str) -> str:
    """Wait until /stats shows what the journal has brought into the database."""
    shown = ""

    async def has_come() -> bool:
        nonlocal shown
        shown = (await person.slash("stats"))["data"]["content"]
        return wanted in shown

    await until(has_come)
    line = next(line for line in shown.splitlines() if wanted in line)
    stage.tell(f"/stats: {line}")
    return line


async def _is_refused(node: Whole, key: str) -> bool:
    reply = await node.call("GET", "/v1/models/full", key)  # counts nothing where the key is still good
    return (reply.status, reply.body.get("error", {}).get("code")) == (401, "invalid_api_key")


def _tables(stage: Stage) -> list[tuple[str, int]]:
    names = [name for (name,) in stage.one.rows("SELECT name FROM sqlite_master WHERE type = 'table'")]
    return [(name, stage.one.count(name)) for name in names]
