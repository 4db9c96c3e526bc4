"""The request line, and what is set up for everything else."""

import io
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TextIO

import pytest
import structlog

from freetheai_gateway.jsonc import decode_any
from freetheai_gateway.log import RequestLine, configure, get_log, request_logger

LINE = RequestLine(
    at=1_795_397_400.0,
    request_id="req_1",
    method="POST",
    route="/v1/chat/completions",
    status=200,
    duration_ms=12.5,
    key="fta_Ab3d",
    model="glm/glm-5.1",
    input_tokens=3,
    output_tokens=4,
)


@dataclass
class Pipe:
    """A pipe that a log is written to."""

    reader: int
    writer: TextIO

    def read(self) -> bytes:
        return os.read(self.reader, 1 << 20)


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    """Open a pipe, closed afterwards."""
    reader, writer = os.pipe()
    with os.fdopen(writer, "w") as stream:
        yield Pipe(reader, stream)
    try:
        os.close(reader)
    except OSError:
        return  # the test closed it


@pytest.fixture
def structlog_restored() -> Iterator[None]:
    """Give the process back its logging."""
    before = structlog.get_config()
    yield
    structlog.configure(**before)


def test_request_line_when_json_then_it_is_one_object_without_defaults(pipe: Pipe) -> None:
    """Names, times and counts; what is empty is left out."""
    request_logger("json", pipe.writer)(LINE)
    text = pipe.read()
    assert text.count(b"\n") == 1
    assert text.endswith(b"\n")
    fields = decode_any(text)
    assert isinstance(fields, dict)
    assert fields["event"] == "request"
    assert fields["route"] == "/v1/chat/completions"
    assert "code" not in fields
    assert "streamed" not in fields


def test_request_line_when_auto_and_no_terminal_then_it_is_json(pipe: Pipe) -> None:
    """Machines read what is no terminal."""
    request_logger("auto", pipe.writer)(LINE)
    assert pipe.read().startswith(b"{")


def test_request_line_when_console_then_it_is_columns(pipe: Pipe) -> None:
    """People read status, route, time, tokens and id in one line; odd names do no harm."""
    write = request_logger("console", pipe.writer)
    write(LINE)
    assert pipe.read() == (b"01:30:00 200 POST /v1/chat/completions       12.5 ms 3+4 tok glm/glm-5.1 fta_Ab3d req_1\n")
    write(RequestLine(at=0.0, request_id="req_2", method="GET", route="", status=404, duration_ms=0.1, model="\udc80"))
    assert b" 404 GET " in pipe.read()


def test_request_line_when_the_reader_is_gone_then_it_is_dropped(pipe: Pipe) -> None:
    """A log that nobody reads must not end requests."""
    write = request_logger("json", pipe.writer)
    os.close(pipe.reader)
    write(LINE)


def test_request_line_when_the_pipe_is_full_then_it_is_dropped(pipe: Pipe) -> None:
    """A reader that hangs must not hang the gateway with it, though the pipe itself would block."""
    os.set_blocking(pipe.writer.fileno(), False)
    with pytest.raises(BlockingIOError):
        while True:
            os.write(pipe.writer.fileno(), b"x" * 4096)
    os.set_blocking(pipe.writer.fileno(), True)
    write = request_logger("json", pipe.writer)
    write(LINE)
    pipe.read()
    write(LINE)
    assert pipe.read().startswith(b'{"event":"request"')


@pytest.mark.usefixtures("structlog_restored")
def test_log_when_json_then_it_names_component_level_and_time() -> None:
    """Static event names, data in fields."""
    stream = io.StringIO()
    configure("info", "json", stream)
    log = get_log("web")
    log.debug("too_fine")
    log.warning("request_crashed", request_id="req_1")
    fields = decode_any(stream.getvalue())
    assert isinstance(fields, dict)
    assert fields.pop("timestamp").endswith("Z")
    assert fields == {"component": "web", "event": "request_crashed", "level": "warning", "request_id": "req_1"}


@pytest.mark.usefixtures("structlog_restored")
@pytest.mark.parametrize(("form", "is_json"), [("auto", True), ("console", False)])
def test_log_when_the_form_is_auto_then_it_is_json_off_a_terminal(form: str, is_json: bool) -> None:
    """Columns are for terminals, or where they are asked for."""
    stream = io.StringIO()
    configure("error", form, stream)
    get_log("web").error("broken")
    assert stream.getvalue().startswith("{") is is_json
    assert "broken" in stream.getvalue()


@pytest.mark.usefixtures("structlog_restored")
def test_log_when_configured_again_then_loggers_that_exist_follow() -> None:
    """Loggers are made at import, before the configuration is read."""
    log, stream = get_log("web"), io.StringIO()
    configure("error", "json", io.StringIO())
    log.error("first")
    configure("error", "json", stream)
    log.error("second")
    assert "second" in stream.getvalue()
