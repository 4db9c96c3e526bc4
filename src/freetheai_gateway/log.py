"""Logs: one canonical line per request, and named events for everything else.

Event names are static snake_case, data goes into fields. No field ever holds a key, a header value, a prompt, a
completion or an upstream address; foreign exceptions are named by their class.
"""

import logging
import sys
from typing import Protocol, TextIO, cast

import structlog


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
