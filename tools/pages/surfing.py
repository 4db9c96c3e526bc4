"""The browser of these tools: Debian's Chromium through Playwright, with fresh profiles on two screens."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass

from playwright.async_api import Browser, Page, Playwright, ViewportSize

PROGRAM = "chromium"
_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
)


@dataclass(frozen=True, slots=True)
class Mode:
    """What somebody looks with."""

    dark: bool
    viewport: ViewportSize


_DESKTOP, _PHONE = ViewportSize(width=1280, height=860), ViewportSize(width=390, height=844)
MODES: Mapping[str, Mode] = {
    "desktop-light": Mode(dark=False, viewport=_DESKTOP),
    "desktop-dark": Mode(dark=True, viewport=_DESKTOP),
    "phone-light": Mode(dark=False, viewport=_PHONE),
    "phone-dark": Mode(dark=True, viewport=_PHONE),
}


async def started(playwright: Playwright) -> Browser:
    """Start Chromium. Raises `SystemExit` where there is none."""
    program = shutil.which(PROGRAM)
    if program is None:
        raise SystemExit("Chromium is not installed: apt-get install chromium")
    return await playwright.chromium.launch(executable_path=program, args=list(_FLAGS))


async def new_page(browser: Browser, mode: Mode, *, bare: bool = False) -> Page:
    """Open a tab of a fresh profile; `bare` takes the pages' security policy away, so that axe-core can be put in."""
    context = await browser.new_context(
        color_scheme="dark" if mode.dark else "light",
        viewport=mode.viewport,
        bypass_csp=bare,
        device_scale_factor=1,
        has_touch=mode.viewport["width"] < 600,
    )
    return await context.new_page()
