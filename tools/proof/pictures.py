"""A hundred generations at once whose results have two megabytes each: memory, and what clients of chat notice."""

import asyncio
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from freetheai_gateway.jsonc import Decoder
from freetheai_gateway.testing.drill.play import Got
from freetheai_gateway.testing.upstream import ScriptedUpstream
from tools.proof.ground import KEY_VARIABLE, MODEL, PATIENT, Ground, Plan, ground, served
from tools.proof.load import Outcome, load
from tools.proof.picture_load import MODEL as PICTURE_MODEL
from tools.proof.picture_load import RESULT_BYTES

AT_ONCE = 100
REQUESTS = 600
OTHERS = 2_000
HELD_BYTES = 64 * 1024 * 1024
BOUND_MB = HELD_BYTES / 1_048_576 + 1.0 * AT_ONCE + 24
"""What pictures may take: what is held; for each request what its connections buffer on their own; and one result that
is worked on, in all its forms, with what the allocator keeps."""
MANNERS = {"reads": "clients that read at once", "waits": "clients that look away for a second before they read"}


@dataclass(frozen=True, slots=True)
class PicturePlan(Plan):
    """The same with a provider of pictures."""

    pictures_url: str = ""

    def render(self) -> str:
        """Write the configuration file."""
        return (
            Plan.render(self)
            + f"""
[images]
max_held_bytes = {HELD_BYTES}

[[providers]]
name = "pictures"
api = "openai-images"
base_url = "{self.pictures_url}"
api_keys = ["env:{KEY_VARIABLE}"]
max_concurrency = 500

[[models]]
id = "{PICTURE_MODEL}"
kind = "image"
features = ["generate"]

[[models.upstreams]]
provider = "pictures"
model = "gpt-image-2"
"""
        )


async def prove() -> bool:
    """Measure; returns whether what is promised holds."""
    async with ScriptedUpstream() as upstream, _provider() as port:
        plan = PicturePlan(served(upstream=upstream), PATIENT, pictures_url=f"http://127.0.0.1:{port}/v1")
        async with ground(plan) as stands:
            key = await stands.gateway.create_key()
            await _others(stands)
            rest_kb = _peak_kb(stands)
            quick = await _measured(stands, _Clients(port, key, "reads"), rest_kb)
            slow = await _measured(stands, _Clients(port, key, "waits"), rest_kb)
    return quick and slow


@dataclass(frozen=True, slots=True)
class _Clients:
    """Who asks for pictures: the port of the provider itself, their key at the gateway, and how they read."""

    port: int
    key: str
    manner: str


async def _measured(stands: Ground, clients: _Clients, rest_kb: int) -> bool:
    """Measure chat alone, while the machine has as much to do without the gateway, and beside pictures.

    Returns whether everything was answered, memory was bounded and chat unharmed.
    """
    alone = await _others(stands)
    busy, _, _ = await _both(stands, clients, clients.port)
    _peak_kb(stands, forget=True)
    beside, seen, seconds = await _both(stands, clients, stands.gateway.port)
    grown_mb = (_peak_kb(stands) - rest_kb) / 1024
    manner = clients.manner
    print(f"pictures    {REQUESTS} of {RESULT_BYTES / 1e6:.0f} MB, {AT_ONCE} at once, {MANNERS[manner]}")
    print(
        f"            in {seconds:.1f} s: {seen}; memory {rest_kb / 1024:.0f} MB before, {grown_mb:.0f} MB more at most"
    )
    for name, outcome in (("alone", alone), ("busy", busy), ("beside", beside)):
        p50, p99 = outcome.percentile_ms(50), outcome.percentile_ms(99)
        ratio = p99 / alone.percentile_ms(99)
        print(f"            chat {name:6}  p50 {p50:.2f} ms, p99 {p99:.2f} ms ({ratio:.1f} times alone)")
    return seen == {"200": REQUESTS} and set(beside.answers) == {"whole"} and grown_mb < BOUND_MB


async def _both(stands: Ground, clients: _Clients, port: int) -> tuple[Outcome, dict[str, int], float]:
    """Ask for pictures at a port, and the gateway for chat as long as pictures come."""
    got: list[Got] = []
    pictures = asyncio.ensure_future(_pictures(clients, port))
    while not pictures.done():
        got += (await load(stands.player, 40, 2, model=MODEL, streamed=lambda _: False)).got
    seen, seconds = await pictures
    return Outcome(got), seen, seconds


async def _others(stands: Ground) -> Outcome:
    return await load(stands.player, OTHERS, 2, model=MODEL, streamed=lambda _: False)


async def _pictures(clients: _Clients, port: int) -> tuple[dict[str, int], float]:
    words = (str(port), clients.key, str(REQUESTS), str(AT_ONCE), clients.manner)
    process = await _child("ask", *words)
    out, _ = await process.communicate()
    told = Decoder(dict[str, object])(out)
    seen, seconds = told["seen"], told["seconds"]
    assert isinstance(seen, dict)
    assert isinstance(seconds, float)
    return seen, seconds


@asynccontextmanager
async def _provider() -> AsyncIterator[int]:
    process = await _child("serve")
    assert process.stdout is not None
    port = int(await process.stdout.readline())
    try:
        yield port
    finally:
        process.terminate()
        await process.wait()


async def _child(*words: str) -> Process:
    return await asyncio.create_subprocess_exec(sys.executable, "-m", "tools.proof.picture_load", *words, stdout=PIPE)


def _peak_kb(stands: Ground, *, forget: bool = False) -> int:
    """Read the gateway's peak of resident memory; with `forget` the peak begins anew at what is resident now."""
    folder = Path(f"/proc/{stands.gateway.process_id}")
    if forget:
        (folder / "clear_refs").write_text("5")
    lines = (folder / "status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))
