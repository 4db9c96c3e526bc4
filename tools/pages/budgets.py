"""`python -m tools.pages.budgets`: what pages weigh, when they can be used, what axe-core finds, how fast filters are.

Pages are opened in a fresh profile of Debian's Chromium, so that nothing comes from a cache, on an idle demonstration
gateway on the same machine; times are medians. Filtering is timed in a catalogue of 5,000 models, from the input event
to the frame that shows the result. What misses its budget is said at the end, and is the exit code.
"""

import argparse
import asyncio
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from playwright.async_api import Browser, async_playwright

from tools.pages.demo import CLAUDE, GLM, LONG_ID, RETIRED, Demo, demonstration
from tools.pages.surfing import MODES, new_page, started

MOST_BYTES = 150_000
MOST_MS = 1_000.0
MOST_FILTER_MS = 100.0
THOUSANDS = 5_000
PAGES = (
    "/",
    "/docs",
    "/docs/reference",
    "/setup",
    "/setup/claude-code",
    "/models",
    f"/models/{GLM}",
    f"/models/{LONG_ID}",
    f"/models/{CLAUDE}",
    f"/models/{RETIRED}",
    "/models?q=nothing+has+this",
    "/status",
    "/playground",
    "/privacy",
    "/account",
    "/admin",
    "/nothing/here",
)
CROWDED = ("/models", "/playground", "/docs", "/status")
"""Pages that grow with the catalogue."""
_AXE = Path(sys.prefix) / "node" / "node_modules" / "axe-core" / "axe.min.js"
_TIMES = """() => new Promise(resolve => {
  new PerformanceObserver(list => {
    const [navigation] = performance.getEntriesByType("navigation");
    const [first] = performance.getEntriesByName("first-contentful-paint");
    resolve({
      interactive: navigation.domInteractive, loaded: navigation.loadEventEnd,
      first: first?.startTime ?? 0, largest: list.getEntries().at(-1).startTime,
    });
  }).observe({type: "largest-contentful-paint", buffered: true});
})"""
_FILTER = """async ([name, value]) => {
  const field = document.querySelector(`#filters [name=${name}]`);
  const shown = new Promise(resolve => new MutationObserver((_, observer) => {
    observer.disconnect();
    requestAnimationFrame(() => setTimeout(() => resolve(performance.now()), 0));
  }).observe(document.getElementById("results"), {childList: true}));
  performance.clearResourceTimings();
  const began = performance.now();
  field.value = value;
  field.dispatchEvent(new Event("input", {bubbles: true}));
  const ended = await shown;
  const fetched = performance.getEntriesByType("resource").find(entry => entry.name.includes("part=results"));
  return [ended - began, fetched.responseEnd - fetched.requestStart];
}"""
_ASKED = (("q", "model-4"), ("prefix", "many9"), ("q", "glm"), ("q", ""), ("sort", "context"), ("prefix", ""))


@dataclass(frozen=True, slots=True)
class Opened:
    """How one page came: bytes on the wire, milliseconds since the navigation began."""

    sent_bytes: int
    interactive: float
    first: float
    largest: float


def main() -> int:
    """Measure everything and print it; returns the exit code."""
    reader = argparse.ArgumentParser(prog="python -m tools.pages.budgets", description=__doc__)
    reader.add_argument("--times", type=int, default=5, help="how often every page is opened")
    reader.add_argument("--no-axe", action="store_true", help="leave out the search for what hinders people")
    given = reader.parse_args()
    misses = asyncio.run(_measure(given.times, with_axe=not given.no_axe))
    print("\n".join(["", *misses]) if misses else "\nEvery budget is kept.")
    return 1 if misses else 0


async def _measure(times: int, *, with_axe: bool) -> list[str]:
    misses: list[str] = []
    async with async_playwright() as playwright:
        browser = await started(playwright)
        async with demonstration() as demo:
            misses += await _weigh(browser, demo, PAGES, times)
            if with_axe:
                misses += await _look_for_hindrances(browser, demo)
        async with demonstration(more=THOUSANDS, lived_in=False) as demo:
            print(f"\nWith {THOUSANDS:,} models:\n")
            misses += await _weigh(browser, demo, CROWDED, times)
            misses += await _filter(browser, demo, times)
        await browser.close()
    return misses


async def _weigh(browser: Browser, demo: Demo, paths: Sequence[str], times: int) -> list[str]:
    print("| page | kB | interactive, ms | first paint, ms | largest paint, ms |")
    print("|---|---|---|---|---|")
    misses = []
    for path in paths:
        opened = [await _open(browser, demo.url + path) for _ in range(times)]
        weight = max(each.sent_bytes for each in opened)
        interactive, first, largest = (
            median(values)
            for values in zip(*((each.interactive, each.first, each.largest) for each in opened), strict=True)
        )
        print(f"| `{path}` | {weight / 1000:.1f} | {interactive:.0f} | {first:.0f} | {largest:.0f} |")
        if weight >= MOST_BYTES:
            misses.append(f"{path}: {weight} bytes")
        if max(interactive, largest) >= MOST_MS:
            misses.append(f"{path}: usable after {max(interactive, largest):.0f} ms")
    return misses


async def _open(browser: Browser, url: str) -> Opened:
    page = await new_page(browser, MODES["desktop-light"])
    wire = await page.context.new_cdp_session(page)
    await wire.send("Network.enable")
    sizes: list[int] = []
    wire.on("Network.loadingFinished", lambda event: sizes.append(int(event["encodedDataLength"])))
    await page.goto(url, wait_until="load")
    times: dict[str, Any] = await page.evaluate(_TIMES)
    await page.context.close()
    return Opened(sum(sizes), times["interactive"], times["first"], times["largest"])


async def _look_for_hindrances(browser: Browser, demo: Demo) -> list[str]:
    found: list[str] = []
    script = "axe.run(document, {resultTypes: ['violations']}).then(r => r.violations.map(v => [v.impact, v.id]))"
    minor: set[str] = set()
    for mode in MODES:
        for path in PAGES:
            page = await new_page(browser, MODES[mode], bare=True)
            await page.goto(demo.url + path, wait_until="load")
            await page.evaluate(_AXE.read_text())
            violations: Sequence[tuple[str, str]] = await page.evaluate(script)
            found += [f"{path} ({mode}): {rule}" for impact, rule in violations if impact in {"serious", "critical"}]
            minor |= {rule for impact, rule in violations if impact not in {"serious", "critical"}}
            await page.context.close()
    print(f"\naxe-core on {len(PAGES)} pages in {len(MODES)} modes: {len(found)} serious or critical findings", end="")
    print(f"; lesser ones: {', '.join(sorted(minor)) or 'none'}")
    return found


async def _filter(browser: Browser, demo: Demo, times: int) -> list[str]:
    page = await new_page(browser, MODES["desktop-light"])
    await page.goto(f"{demo.url}/models", wait_until="load")
    shown, served = [], []
    for _ in range(times):
        for question in _ASKED:
            painted_ms, server_ms = await page.evaluate(_FILTER, list(question))
            shown.append(painted_ms)
            served.append(server_ms)
    await page.context.close()
    worst = sorted(shown)[int(len(shown) * 0.95)]
    print(f"\nFiltering {THOUSANDS:,} models, from input to paint: median {median(shown):.0f} ms, p95 {worst:.0f} ms;")
    print(f"of it from the request to the answer's end: median {median(served):.1f} ms, most {max(served):.1f} ms.")
    return [f"filtering: p95 {worst:.0f} ms"] if worst >= MOST_FILTER_MS else []


if __name__ == "__main__":
    sys.exit(main())
