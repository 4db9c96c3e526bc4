"""How a page is made: one template environment, one frame around every page, one set of security headers."""

import gzip
from collections.abc import Mapping, Sequence
from functools import cache
from math import floor
from typing import TYPE_CHECKING, Final

from freetheai_gateway import __version__
from freetheai_gateway.errors import GatewayError
from freetheai_gateway.services.directory import Directory
from freetheai_gateway.web.pages.assets import accepts_gzip, asset_url
from freetheai_gateway.web.request import Request
from freetheai_gateway.web.response import Response, retry_headers

if TYPE_CHECKING:
    import jinja2
    import markupsafe

HTML: Final = (b"content-type", b"text/html; charset=utf-8")
POLICY: Final = (
    b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
    b"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
"""Content-Security-Policy: nothing from elsewhere, nothing inline."""
SECURITY: Final = (
    (b"content-security-policy", POLICY),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=()"),
)
UNKNOWN: Final = "\N{EN DASH}"
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_WORTH_PACKING = 1_024
_PACKING_LEVEL = 5

Values = Mapping[str, object]


@cache
def environment() -> "jinja2.Environment":
    """Build the environment; the library is imported at the first page and not at start."""
    import jinja2  # noqa: PLC0415 - 40 ms that a gateway without visitors need not spend

    made = jinja2.Environment(
        loader=jinja2.PackageLoader("freetheai_gateway.web.pages"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["number"] = show_number
    made.filters["tokens"] = show_tokens
    made.filters["percent"] = show_percent
    made.filters["share"] = show_share
    made.filters["wait"] = show_wait
    made.filters["ticks"] = show_ticks
    made.filters["day"] = show_day
    made.globals["asset"] = asset_url
    return made


def show_number(value: float | None) -> str:
    """Show a count with thin groups: `12 345`; what is unknown is a dash."""
    return UNKNOWN if value is None else f"{value:,.0f}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def show_tokens(value: int | None) -> str:
    """Show a number of tokens as people say it: `128k`, `1M`."""
    if value is None:
        return UNKNOWN
    base = 1_024 if value and value % 1_024 == 0 else 1_000  # context windows come in both counts
    for size, unit in ((base * base, "M"), (base, "k")):
        if value >= size:
            return f"{value / size:.1f}".removesuffix(".0") + unit
    return str(value)


def show_percent(value: float) -> str:
    """Show a fraction as a percentage with at most two digits after the point."""
    return f"{value * 100:.2f}".rstrip("0").rstrip(".") + "\N{NARROW NO-BREAK SPACE}%"


def show_share(value: float) -> str:
    """Show a share that is nearly whole, cut off and never rounded up: 99.999 % of successes is not 100 %."""
    return show_percent(floor(value * 10_000) / 10_000)


def show_wait(milliseconds: int) -> str:
    """Show a wait in the unit that people would use: `340 ms`, `1.2 s`, `45 s`."""
    if milliseconds < 1_000:
        return f"{milliseconds}\N{NARROW NO-BREAK SPACE}ms"
    seconds = milliseconds / 1_000
    return f"{seconds:.{1 if seconds < 10 else 0}f}\N{NARROW NO-BREAK SPACE}s"


def show_ticks(text: str) -> "markupsafe.Markup":
    """Show what stands between backticks as code; all of it is escaped."""
    import markupsafe  # noqa: PLC0415 - comes with the template library

    parts = text.split("`")
    if len(parts) % 2 == 0:
        return markupsafe.escape(text)
    shown = (markupsafe.Markup("<code>{}</code>").format(part) if at % 2 else part for at, part in enumerate(parts))
    return markupsafe.Markup("").join(shown)


def show_day(day: str) -> str:
    """Show a UTC day such as `2026-11-03` as people write it: `3 Nov 2026`."""
    year, month, number = day.split("-")
    return f"{int(number)} {_MONTHS[int(month) - 1]} {year}"


class Frame:
    """Renders and sends pages of one instance."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory

    def render(self, template: str, values: Values) -> bytes:
        """Render a template with what every page knows: the site, the version and where the reader is."""
        site = self._directory.offer.site
        return environment().get_template(template).render(site=site, version=__version__, **values).encode()

    @staticmethod
    def part(template: str, values: Values) -> str:
        """Render a part that other templates take in as it is."""
        import markupsafe  # noqa: PLC0415 - comes with the template library

        return markupsafe.Markup(environment().get_template(template).render(**values))  # noqa: S704 - escaped there

    async def send(
        self,
        request: Request,
        response: Response,
        template: str,
        values: Values | None = None,
        *,
        status: int = 200,
        headers: Sequence[tuple[bytes, bytes]] = (),
        is_private: bool = False,
    ) -> None:
        """Send a page. It belongs to the reader alone: neither caches between nor other origins may keep or read it.

        One that `is_private` is not even kept by the reader's own browser, which others may use after them.
        """
        body = self.render(template, {"path": request.path, **(values or {})})
        headers = (HTML, *SECURITY, *headers)
        await self.send_text(request, response, body, status=status, headers=headers, is_private=is_private)

    @staticmethod
    async def send_text(
        request: Request,
        response: Response,
        body: bytes,
        *,
        status: int = 200,
        headers: Sequence[tuple[bytes, bytes]],
        is_private: bool = False,
    ) -> None:
        """Send text, packed where the client takes that."""
        response.cross_origin = ()
        kept = b"no-store" if is_private else b"private, no-cache"
        headers = (*headers, (b"vary", b"accept, accept-encoding, cookie"), (b"cache-control", kept))
        if len(body) >= _WORTH_PACKING and accepts_gzip(request):
            body = gzip.compress(body, _PACKING_LEVEL, mtime=0)
            headers = (*headers, (b"content-encoding", b"gzip"))
        await response.send_whole(status, headers, body)

    async def send_error(self, request: Request, response: Response, error: GatewayError) -> None:
        """Tell a person what went wrong, on a page."""
        response.trace.code = error.code
        values = {"error": error, "request_id": response.trace.request_id}
        headers = (*error.headers, *retry_headers(error))
        await self.send(request, response, "error.html", values, status=error.status, headers=headers)
