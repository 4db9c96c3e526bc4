"""Logs: one canonical line per request, and named events for everything else.

Event names are static snake_case, data goes into fields. No field ever holds a key, a header value, a prompt, a
completion or an upstream address; foreign exceptions are named by their class.
"""

import logging
import os
import select
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Protocol, TextIO, cast

import msgspec

sys.modules.setdefault("rich", None)  # type: ignore[arg-type]
# structlog looks for Rich, for tracebacks that are never logged here, and finding it takes a tenth of a start.
import structlog  # noqa: E402

if cast("object", sys.modules["rich"]) is None:
    del sys.modules["rich"]


class Log(Protocol):
    """What the package needs of a logger: an event's static name, then its fields."""

    def debug(self, event: str, **fields: object) -> None:
        """Detail for someone who looks for a fault."""
        ...

    def info(self, event: str, **fields: object) -> None:
        """Something that an operator may want to know."""
        ...

    def warning(self, event: str, **fields: object) -> None:
        """Something that an operator should look at some day."""
        ...

    def error(self, event: str, **fields: object) -> None:
        """Something that is broken now."""
        ...


def configure(level: str = "info", form: str = "auto", stream: TextIO | None = None) -> None:
    """Set up logging for the process: `json`, `console`, or `auto` (columns on a terminal, JSON elsewhere)."""
    target = stream or sys.stderr
    as_json = form == "json" or (form == "auto" and not target.isatty())
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer() if as_json else structlog.dev.ConsoleRenderer()
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.WriteLoggerFactory(file=target),
        cache_logger_on_first_use=False,
    )


def get_log(component: str) -> Log:
    """Give a component its logger."""
    return cast("Log", structlog.get_logger(component=component))


class RequestLine(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag_field="event", tag="request"):
    """The canonical line of one request: names, times and counts. A struct, because it is on the hot path."""

    at: float
    request_id: str
    method: str
    route: str
    status: int
    duration_ms: float
    code: str = ""
    cause: str = ""
    """Why an upstream failed."""
    account: str = ""
    key: str = ""
    """The visible prefix of the key, never more."""
    model: str = ""
    provider: str = ""
    streamed: bool = False
    attempts: int = 0
    upstream_ms: float = 0.0
    first_token_ms: int | None = None
    input_tokens: int = 0
    output_tokens: int = 0


def _at_once(flush: Callable[[], object]) -> None:
    flush()


def request_logger(
    form: str = "auto",
    stream: TextIO | None = None,
    flush_soon: Callable[[Callable[[], None]], object] = _at_once,
) -> Callable[[RequestLine], None]:
    """Give what writes request lines: JSON, or columns on a terminal; a full pipe drops them.

    `flush_soon` may put the writing off to the end of the loop's turn, so that the lines of one turn are one
    `write(2)`.
    """
    target = stream or sys.stderr
    descriptor = target.fileno()
    as_json = form == "json" or (form == "auto" and not target.isatty())
    encode = msgspec.json.Encoder().encode
    render = (lambda line: encode(line) + b"\n") if as_json else _columns
    room = select.poll()
    room.register(descriptor, select.POLLOUT)

    waiting: list[bytes] = []

    def flush() -> None:
        lines = b"".join(waiting)
        waiting.clear()
        try:
            if room.poll(0):  # a blocking pipe that its reader lets fill up would stop the whole event loop
                os.write(descriptor, lines)
        except OSError:
            return  # a reader of the log that went away must not end requests

    def write(line: RequestLine) -> None:
        waiting.append(render(line))
        if len(waiting) == 1:
            flush_soon(flush)

    return write


def _columns(line: RequestLine) -> bytes:
    tokens = f" {line.input_tokens}+{line.output_tokens} tok" if line.input_tokens or line.output_tokens else ""
    what = " ".join(part for part in (line.model, line.key, line.code, line.cause) if part)
    at = datetime.fromtimestamp(line.at, UTC)
    text = (
        f"{at:%H:%M:%S} {line.status} {line.method:<4} {line.route:<22} {line.duration_ms:>8.1f} ms"
        f"{tokens} {what} {line.request_id}\n"
    )
    return text.encode("utf-8", "replace")
