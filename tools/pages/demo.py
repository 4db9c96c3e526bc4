"""A gateway that looks lived in: several providers, models that come and go, 90 days of requests, an outage now."""

import asyncio
import math
import random
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from freetheai_gateway.clock import SystemClock, utc_day
from freetheai_gateway.domain.usage import UsageRecord
from freetheai_gateway.ids import new_request_id
from freetheai_gateway.store.database import Database
from freetheai_gateway.store.location import StoreSettings
from freetheai_gateway.store.usage import SqlUsage
from freetheai_gateway.testing.child import ChildGateway
from freetheai_gateway.testing.drill.play import Player
from freetheai_gateway.testing.upstream import ScriptedUpstream
from freetheai_gateway.upstream.http1 import Http1Client

GLM, CLAUDE, SKETCH = "glm/glm-5.1", "rev/claude-sonnet-4.5", "local/sketch"
LONG_ID = "kai/nvidia/llama-3.3-nemotron-super-49b-v1.5-instruct-preview-2026:free"
RETIRED, UNSET = "glm/glm-4.6", "unset/mixtral-large"
_UPSTREAM_KEY = "FREETHEAI_DEMO_KEY"
_DAY_S = 86_400
_HISTORY_DAYS = 90
_SEED = 20_261_123
_ESSAY = (
    "The keeper writes down the weather every hour, and nobody reads it. One night the lamp fails. She rows out with a "
    "lantern, and the ship turns in time. In the morning she writes: fog, then clear."
)

_HEAD = f"""
[site]
name = "FreeTheAi"
support_url = "https://example.org/support"

[pools]
attempts = 1
breaker_failures = 1000000
dead_key_s = 0.001
max_cooldown_s = 0.001

[[families]]
name = "Core"
models = ["glm/*", "kai/*", "rev/*", "local/*", "unset/*"]
minimum_tier = 1

[[families]]
name = "Plus"
models = ["img/*", "vhr/*"]
minimum_tier = 3

[[providers]]
name = "sketch"
api = "sketch"

[[providers]]
name = "unset"
api = "openai"
base_url = "http://127.0.0.1:9/v1"
api_keys = ["env:FREETHEAI_DEMO_NO_SUCH_KEY"]

[[models]]
id = "{SKETCH}"
kind = "image"
name = "Sketch"
description = "Draws simple shapes without AI, so that image clients can be tried without a key."
features = ["generate", "edit", "mask"]
[[models.upstreams]]
provider = "sketch"
model = "sketch"

[[models]]
id = "img/gpt-image-2"
kind = "image"
name = "GPT Image 2"
inputs = ["text", "image"]
features = ["generate", "edit", "mask"]
[[models.upstreams]]
provider = "sketch"
model = "sketch"

[[models]]
id = "vhr/flux_dev"
kind = "image"
name = "FLUX.1 dev"
features = ["generate"]
[[models.upstreams]]
provider = "sketch"
model = "sketch"
"""


@dataclass(frozen=True, slots=True)
class DemoModel:
    """A chat model of the demonstration and what its upstream does."""

    id: str
    name: str
    behaviour: str
    about: str = ""
    context_window: int = 131_072
    inputs: str = '["text"]'
    features: str = '["tools", "structured_outputs"]'
    extra: str = ""
    provider: str = "scripted"
    share: int = 20
    """Requests of a usual day."""


def _models(today: float) -> tuple[DemoModel, ...]:
    quick, slow = f"plain?first_delay_s=0.08&text={quote(_ESSAY)}", "plain?first_delay_s=0.4"
    return (
        DemoModel(
            GLM, "GLM 5.1", quick, "Long context, tools and reasoning; the one to begin with.", 200_000, share=200
        ),
        DemoModel(
            "glm/glm-5.1-air",
            "GLM 5.1 Air",
            "plain?first_delay_s=0.03",
            "Smaller and quicker.",
            extra=f'added_at = "{utc_day(today - 9 * _DAY_S)}"',
        ),
        DemoModel(
            RETIRED, "GLM 4.6", quick, extra=f'retired = true\nretires_at = "{utc_day(today - 20 * _DAY_S)}"', share=5
        ),
        DemoModel(
            CLAUDE,
            "Claude Sonnet 4.5",
            slow,
            "Writes and reviews code.",
            200_000,
            '["text", "image", "file"]',
            '["tools", "reasoning", "structured_outputs"]',
            f'retires_at = "{utc_day(today + 40 * _DAY_S)}"\nreplaced_by = "{GLM}"',
            share=30,
        ),
        DemoModel(
            LONG_ID,
            "Llama 3.3 Nemotron Super 49B v1.5 Instruct (preview, free)",
            "status?code=503",
            "A very long name, as aggregators give them; what matters is that it can be read, copied and called.",
        ),
        DemoModel(UNSET, "Mixtral Large", "plain", provider="unset", share=0),
        *(
            DemoModel(f"kai/open-{size}b", f"Open {size}B", quick, context_window=8_192 * (1 + size % 5), share=2)
            for size in (1, 3, 7, 8, 13, 14, 27, 32, 70, 72, 120, 235)
        ),
    )


def render(upstream_url: str, today: float, *, more: int = 0) -> str:
    """Write the configuration; `more` adds so many models."""
    provider = f"""
[[providers]]
name = "scripted"
api = "openai"
base_url = "{upstream_url}"
api_keys = ["env:{_UPSTREAM_KEY}"]
max_concurrency = 512
"""
    many = (DemoModel(f"many{n % 40}/model-{n}", f"Model {n}", "plain", context_window=8_192) for n in range(more))
    return _HEAD + provider + "".join(_render_model(model) for model in (*_models(today), *many))


def _render_model(model: DemoModel) -> str:
    return f"""
[[models]]
id = "{model.id}"
kind = "chat"
name = "{model.name}"
description = "{model.about}"
context_window = {model.context_window}
max_output_tokens = 8192
inputs = {model.inputs}
features = {model.features}
{model.extra}
[[models.upstreams]]
provider = "{model.provider}"
model = "{model.behaviour}"
"""


@dataclass(frozen=True, slots=True)
class Demo:
    """A gateway that runs, and a key for it."""

    url: str
    key: str


@asynccontextmanager
async def demonstration(*, more: int = 0, lived_in: bool = True) -> AsyncIterator[Demo]:
    """Run the gateway, with a past and with requests of this minute unless it shall not look lived in."""
    clock = SystemClock()
    with tempfile.TemporaryDirectory(prefix="freetheai-demo-") as name:
        folder = Path(name)
        async with ScriptedUpstream() as upstream:
            if lived_in:
                await _remember(folder, clock.wall())
            configuration = render(upstream.base_url, clock.wall(), more=more)
            gateway = ChildGateway(folder, configuration, {_UPSTREAM_KEY: "demo"})
            await gateway.start()
            try:
                key = await gateway.create_key()
                if lived_in:
                    await _visit(gateway.port, key)
                yield Demo(f"http://127.0.0.1:{gateway.port}", key)
            finally:
                await gateway.stop()


async def _remember(folder: Path, now: float) -> None:
    """Write 90 days of records, with a few bad days and one outage of an hour."""
    database = await Database.open(StoreSettings(url=f"sqlite:///{folder / 'freetheai.db'}"), create=True)
    usage, chance = SqlUsage(database), random.Random(_SEED)  # noqa: S311 - a picture, not a secret
    shares: Mapping[str, int] = {model.id: model.share for model in _models(now)} | {"img/gpt-image-2": 12}
    midnight = now - now % _DAY_S
    for age in range(_HISTORY_DAYS + 5):
        records = list(_day(midnight - age * _DAY_S, now, age, shares, chance))
        if records:
            await usage.insert(records)
    await database.close()


def _day(start: float, now: float, age: int, shares: Mapping[str, int], chance: random.Random) -> Iterator[UsageRecord]:
    weekly = 1.0 + 0.4 * math.sin(age / 7 * 2 * math.pi)
    for model, share in shares.items():
        prefix = model.partition("/")[0]
        failing = {("rev", 12): 0.7, ("rev", 13): 0.2, ("kai", 3): 0.3, ("kai", 41): 0.9, ("img", 55): 0.12}
        chance_of_failure = failing.get((prefix, age), 0.002)
        if prefix == "img" and age > 60:
            continue  # the prefix came two months ago
        for _ in range(int(share * weekly)):
            at = start + chance.random() * _DAY_S
            an_outage = prefix == "glm" and age == 30 and 43_200 <= at - start < 46_800
            failed = an_outage or chance.random() < chance_of_failure
            if at < now - 3_600:
                yield _record(model, at, chance, failed=failed)


def _record(model: str, at: float, chance: random.Random, *, failed: bool) -> UsageRecord:
    return UsageRecord(
        request_id=new_request_id(),
        started_at=at,
        duration_ms=chance.randrange(400, 9_000),
        account_id=f"acc_{chance.randrange(40)}",
        key_id="key_demo",
        route="/v1/chat/completions",
        model=model,
        status=502 if failed else 200,
        code="provider_error" if failed else "",
        provider="scripted",
        success=not failed,
        attempts=1,
        first_token_ms=chance.randrange(80, 900),
        input_tokens=chance.randrange(200, 9_000),
        output_tokens=0 if failed else chance.randrange(20, 2_000),
    )


async def _visit(port: int, key: str) -> None:
    """Ask a few models now: most answer, one provider fails, one is slow."""
    client = Http1Client()
    player = Player(client, port, key, SystemClock())
    try:
        calls = [GLM] * 40 + [CLAUDE] * 20 + [LONG_ID] * 6 + ["kai/open-8b"] * 5
        await asyncio.gather(*(player.ask(model, "Hello", streamed=True) for model in calls))
    finally:
        await client.aclose()
