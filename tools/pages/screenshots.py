"""`python -m tools.pages.screenshots`: every page, light and dark, on a desktop and on a phone, as pictures to look at.

They are taken of a demonstration gateway and written into a folder outside of the repository. What the console says
and pages that are wider than the window are printed.
"""

import argparse
import asyncio
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from playwright.async_api import Browser, Page, async_playwright

from tools.pages.demo import CLAUDE, GLM, LONG_ID, RETIRED, UNSET, Demo, demonstration
from tools.pages.surfing import MODES, new_page, started

Steps = Callable[[Page, Demo], Awaitable[None]]


async def _nothing(_page: Page, _demo: Demo) -> None:
    """Only look."""


async def _chat(page: Page, demo: Demo) -> None:
    await page.get_by_label("API key").fill(demo.key)
    await page.get_by_label("Your message").fill("Tell me about a lighthouse keeper.\nIn four sentences.")
    await page.get_by_role("button", name="Send").click()
    await page.wait_for_selector("#thread .meta")


async def _code(page: Page, demo: Demo) -> None:
    await _chat(page, demo)
    await page.get_by_role("button", name="Show as code").click()


async def _failed_chat(page: Page, _demo: Demo) -> None:
    await page.get_by_label("API key").fill("fta_wrong")
    await page.get_by_label("Your message").fill("Hello")
    await page.get_by_role("button", name="Send").click()
    await page.wait_for_selector("#thread .error")


async def _drawing(page: Page, demo: Demo) -> None:
    await page.get_by_label("API key").fill(demo.key)
    await page.get_by_label("Prompt", exact=True).fill("A lighthouse in fog, seen from the sea")
    await page.get_by_role("button", name="Draw", exact=True).click()
    await page.wait_for_selector("#gallery img")


async def _opened_days(page: Page, _demo: Demo) -> None:
    for summary in await page.locator("details summary").all():
        await summary.click()
    await page.locator(".days .down").first.hover()


async def _focused(page: Page, _demo: Demo) -> None:
    await page.keyboard.press("Tab")


VIEWS: Mapping[str, tuple[str, Steps]] = {
    "home": ("/", _nothing),
    "skip-link": ("/", _focused),
    "docs": ("/docs", _nothing),
    "reference": ("/docs/reference", _nothing),
    "setup": ("/setup", _nothing),
    "guide": ("/setup/claude-code", _nothing),
    "guide-app": ("/setup/open-webui", _nothing),
    "models": ("/models", _nothing),
    "models-filtered": ("/models?q=glm&kind=chat&sort=context", _nothing),
    "models-empty": ("/models?q=nothing+has+this", _nothing),
    "model": (f"/models/{GLM}", _nothing),
    "model-long": (f"/models/{LONG_ID}", _nothing),
    "model-image": ("/models/img/gpt-image-2", _nothing),
    "model-retiring": (f"/models/{CLAUDE}", _nothing),
    "model-retired": (f"/models/{RETIRED}", _nothing),
    "model-unset": (f"/models/{UNSET}", _nothing),
    "status": ("/status", _nothing),
    "status-days": ("/status", _opened_days),
    "status-empty": ("/status?q=nothing", _nothing),
    "playground": ("/playground", _nothing),
    "playground-chat": (f"/playground?model={GLM}", _chat),
    "playground-code": (f"/playground?model={GLM}", _code),
    "playground-error": ("/playground", _failed_chat),
    "playground-image": ("/playground?model=local/sketch", _drawing),
    "privacy": ("/privacy", _nothing),
    "lost": ("/nothing/here", _nothing),
    "account": ("/account", _nothing),
    "admin": ("/admin", _nothing),
}


def main() -> None:
    """Take the pictures that are asked for, and say where they are."""
    reader = argparse.ArgumentParser(prog="python -m tools.pages.screenshots", description=__doc__)
    reader.add_argument("--only", nargs="*", choices=sorted(VIEWS), default=list(VIEWS))
    reader.add_argument("--modes", nargs="*", choices=list(MODES), default=list(MODES))
    reader.add_argument("--folder", type=Path, help="where to; without it a new temporary folder")
    given = reader.parse_args()
    folder = given.folder or Path(tempfile.mkdtemp(prefix="freetheai-pages-"))
    folder.mkdir(parents=True, exist_ok=True)
    asyncio.run(_take(given.only, given.modes, folder))
    print(folder)


async def _take(names: list[str], modes: list[str], folder: Path) -> None:
    async with async_playwright() as playwright, demonstration() as demo:
        browser = await started(playwright)
        for mode in modes:
            for name in names:
                await _photograph(browser, demo, name, mode, folder / f"{name}-{mode}.png")
        await browser.close()


async def _photograph(browser: Browser, demo: Demo, name: str, mode: str, target: Path) -> None:
    path, steps = VIEWS[name]
    page = await new_page(browser, MODES[mode])
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    await page.goto(demo.url + path, wait_until="load")
    await steps(page, demo)
    wider = await page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
    if wider > 0:
        said.append(f"{wider} px wider than the window")
    await page.screenshot(path=target, full_page=not name.endswith("code"))
    await page.context.close()
    for line in said:
        print(f"{name} ({mode}): {line}")


if __name__ == "__main__":
    main()
