"""A person at the pages: Debian's Chromium, driven by Playwright, with everything that went wrong written down."""

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page, ViewportSize, sync_playwright

from tests.e2e.browser import FLAGS, PROGRAM
from tests.skipping import skip_or_fail

DESKTOP, PHONE = ViewportSize(width=1280, height=860), ViewportSize(width=390, height=844)
AXE = Path(sys.prefix) / "node" / "node_modules" / "axe-core" / "axe.min.js"


@contextmanager
def started_browser() -> Iterator[Browser]:
    """Start Chromium; without one the test is skipped, or fails where every service is required."""
    program = shutil.which(PROGRAM)
    if program is None:
        skip_or_fail("Chromium is not installed: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(FLAGS))
        yield browser
        browser.close()


class Visitor:
    """One tab of a fresh profile. `complaints` holds what the console said, `transferred` the bytes that came."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.complaints: list[str] = []
        self.transferred = 0
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", lambda said: self.complaints.append(said.text) if said.type == "error" else None)
        page.on("response", lambda answer: self._count(int(answer.headers.get("content-length", "0"))))

    def _count(self, size: int) -> None:
        self.transferred += size

    def open(self, url: str) -> None:
        """Open a page and wait until everything that it names has come."""
        self.transferred = 0
        self.page.goto(url, wait_until="load")

    def watch(self, selector: str) -> None:
        """Write down every text that the last element of a selector shows, from now on."""
        self.page.evaluate(
            """selector => {
              window.statesSeen = [];
              const look = () => {
                const text = [...document.querySelectorAll(selector)].at(-1)?.textContent ?? "";
                if (text && text !== window.statesSeen.at(-1)) window.statesSeen.push(text);
              };
              new MutationObserver(look).observe(document.body, {subtree: true, childList: true, characterData: true});
            }""",
            selector,
        )

    @property
    def states(self) -> list[str]:
        """What `watch` wrote down, each text once."""
        return [str(text) for text in self.page.evaluate("window.statesSeen")]

    def download(self, folder: Path) -> Path:
        """Press the first link to a download, and keep the file as it is named."""
        with self.page.expect_download() as coming:
            self.page.get_by_role("link", name="Download").first.click()
        target = folder / coming.value.suggested_filename
        coming.value.save_as(target)
        return target

    @property
    def overflow(self) -> int:
        """How many pixels the page is wider than the window."""
        return int(self.page.evaluate("document.documentElement.scrollWidth - window.innerWidth"))

    def findings(self) -> list[str]:
        """Ask axe-core for serious and critical findings."""
        self.page.evaluate(AXE.read_text())
        script = "axe.run(document, {resultTypes: ['violations']}).then(r => r.violations)"
        return [
            f"{found['id']}: {found['nodes'][0]['html'][:160]}"
            for found in self.page.evaluate(script)
            if found["impact"] in {"serious", "critical"}
        ]


@contextmanager
def visiting(
    browser: Browser, *, dark: bool = False, viewport: ViewportSize = DESKTOP, scripts: bool = True, bare: bool = False
) -> Iterator[Visitor]:
    """Open a tab of a fresh profile; what the console complained of fails the test.

    `bare` takes the page's security policy away, so that axe-core can be put into it.
    """
    context = browser.new_context(
        color_scheme="dark" if dark else "light", viewport=viewport, java_script_enabled=scripts, bypass_csp=bare
    )
    visitor = Visitor(context.new_page())
    try:
        yield visitor
        assert visitor.complaints == []
    finally:
        context.close()
