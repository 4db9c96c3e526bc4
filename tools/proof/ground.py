"""What every proof stands on: a gateway as a process of its own before scripted upstreams, a key, and a clock."""

import resource
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from freetheai_gateway.clock import SystemClock
from freetheai_gateway.testing.child import ChildGateway
from freetheai_gateway.testing.drill.play import Player
from freetheai_gateway.testing.upstream import ScriptedUpstream
from freetheai_gateway.upstream.http1 import Http1Client

KEY_VARIABLE = "FREETHEAI_PROOF_KEY"
MODEL = "proof/model"
SLOW_MODEL = "proof/slow"
TIMEOUTS = "{ connect_s = 1.0, first_byte_s = 0.5, first_content_s = 0.75, idle_s = 0.5, total_s = 2.0 }"
PATIENT = "{ connect_s = 30.0, first_byte_s = 30.0, first_content_s = 60.0, idle_s = 60.0, total_s = 900.0 }"


@dataclass(frozen=True, slots=True)
class Plan:
    """The gateway's configuration: providers by name with their URLs, all of the same priority."""

    providers: Mapping[str, str]
    timeouts: str = TIMEOUTS
    slow: str = "plain"
    """What upstreams play under `SLOW_MODEL`."""
    pools: Mapping[str, float] = field(default_factory=dict)

    def render(self) -> str:
        """Write the configuration file."""
        pools = "".join(f"{name} = {value}\n" for name, value in self.pools.items())
        providers = "".join(_provider(name, url, self.timeouts) for name, url in self.providers.items())
        models = _model(MODEL, "plain", self.providers) + _model(SLOW_MODEL, self.slow, self.providers)
        return f'[log]\nlevel = "info"\nformat = "json"\n\n[pools]\n{pools}{providers}{models}'


def _provider(name: str, url: str, timeouts: str) -> str:
    return f"""
[[providers]]
name = "{name}"
api = "openai"
base_url = "{url}"
api_keys = ["env:{KEY_VARIABLE}"]
max_concurrency = 5000
timeouts = {timeouts}
"""


def _model(model_id: str, behaviour: str, providers: Mapping[str, str]) -> str:
    upstreams = "".join(
        f'\n[[models.upstreams]]\nprovider = "{provider}"\nmodel = "{behaviour}"\n' for provider in providers
    )
    return f'\n[[models]]\nid = "{model_id}"\n{upstreams}'


@dataclass(slots=True)
class Ground:
    """What runs during a proof."""

    gateway: ChildGateway
    player: Player
    to_find: Sequence[str] = ()
    """Ids of requests whose records are looked for at the end …"""
    found: int = 0
    """… and how many of them are there."""

    def resident_kb(self) -> int:
        """Read the gateway's resident memory."""
        for line in Path(f"/proc/{self.gateway.process_id}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1])
        raise LookupError("VmRSS")

    async def gauge(self, name: str) -> float:
        """Sum a metric over its labels."""
        text = (await self.player.read("/metrics")).decode()
        values = [line.rsplit(" ", 1)[1] for line in text.splitlines() if line.startswith((f"{name}{{", f"{name} "))]
        return sum(float(value) for value in values)

    async def attempts(self, provider: str) -> Mapping[str, float]:
        """Read how the calls to a provider went, by outcome."""
        text = (await self.player.read("/metrics")).decode()
        found: dict[str, float] = {}
        for line in text.splitlines():
            if line.startswith("freetheai_upstream_attempts_total{") and f'provider="{provider}"' in line:
                outcome = line.partition('outcome="')[2].partition('"')[0]
                found[outcome] = found.get(outcome, 0.0) + float(line.rsplit(" ", 1)[1])
        return found


@asynccontextmanager
async def ground(plan: Plan) -> AsyncIterator[Ground]:
    """Start a gateway; at the end it is stopped, and its log must hold no crash."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with tempfile.TemporaryDirectory(prefix="freetheai-proof-") as folder:
        gateway = ChildGateway(Path(folder), plan.render(), {KEY_VARIABLE: "proof"})
        await gateway.start()
        client = Http1Client()
        try:
            stands = Ground(gateway, Player(client, gateway.port, await gateway.create_key(), SystemClock()))
            yield stands
        finally:
            await client.aclose()
            code = await gateway.stop()
        stands.found = len(await gateway.records(stands.to_find))
        crashes = complaints(gateway.output())
        if code or crashes:
            raise AssertionError(f"exit code {code}, log: {crashes[:5]}")


def complaints(log: str) -> Sequence[str]:
    """Find what must not stand in a log."""
    marks = ("Traceback", "request_crashed", "background_work_ended", "never retrieved", "never awaited")
    return [line[:300] for line in log.splitlines() if any(mark in line for mark in marks)]


def served(**upstreams: ScriptedUpstream) -> Mapping[str, str]:
    """Name upstreams with their URLs."""
    return {name: upstream.base_url for name, upstream in upstreams.items()}
