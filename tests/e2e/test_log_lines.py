"""The canonical line of a request: found by its id, in the log and on the command line, as JSON or in columns."""

import os
import pty
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest

from freetheai_gateway.testing.upstream import ScriptedUpstream
from tests.e2e.configuration import ABOVE, MEMBER, MODEL, PLAIN, Plan, render
from tests.e2e.gateway import START_S, STOP_S, Gateway, Key, eventually
from tests.e2e.wire import CHAT, Object, Reply, call, chat

KNOWN = {
    "event", "at", "request_id", "method", "route", "status", "duration_ms", "code", "cause", "account", "key", "model",
    "provider", "streamed", "attempts", "upstream_ms", "first_token_ms", "input_tokens", "output_tokens",
}  # fmt: skip
"""Names, times and counts. A field that is new here must not hold content, a key or a header's value."""


def line_of(gateway: Gateway, reply: Reply) -> Object:
    """Find the one line of a request."""
    wanted = reply.headers["x-request-id"]
    eventually(lambda: wanted in gateway.output(), "the line is written")
    (line,) = [line for line in gateway.log_lines() if line["request_id"] == wanted]
    assert set(line) <= KNOWN
    return line


@pytest.mark.parametrize("stream", [False, True])
def test_line_when_a_request_was_answered_then_it_says_who_what_and_how_long(
    gateway: Gateway, key: Key, *, stream: bool
) -> None:
    """The key by its visible beginning, the account by its id, the provider by its name."""
    line = line_of(gateway, chat(gateway, key, PLAIN, stream=stream))
    facts = {name: line[name] for name in ("event", "method", "route", "status", "account", "key", "model", "provider")}
    assert facts == {
        "event": "request",
        "method": "POST",
        "route": CHAT,
        "status": 200,
        "account": key.account_id,
        "key": key.secret[:8],
        "model": PLAIN,
        "provider": "scripted",
    }
    assert line.get("streamed", False) is stream
    assert (line["attempts"], "code" in line, "cause" in line) == (1, False, False)
    for number in ("at", "duration_ms", "upstream_ms", "first_token_ms", "input_tokens", "output_tokens"):
        assert isinstance(line[number], int | float), number
    assert float(str(line["duration_ms"])) >= float(str(line["upstream_ms"])) > 0


def test_line_when_a_provider_failed_then_the_cause_is_for_the_operator_alone(
    gateway: Gateway, key: Key, upstream: ScriptedUpstream
) -> None:
    """The client reads that it failed, the log why."""
    upstream.play("scripted", "status?code=500")
    reply = chat(gateway, key, MODEL)
    line = line_of(gateway, reply)
    assert (line["status"], line["code"]) == (502, "provider_error")
    assert str(line["cause"]).startswith("status 500")
    assert b"status 500" not in reply.body


def test_line_when_a_request_was_refused_then_the_rule_is_named(gateway: Gateway, keys: dict[str, Key]) -> None:
    """With whom it was refused to, and without a provider."""
    line = line_of(gateway, chat(gateway, keys["member"], ABOVE))
    assert (line["status"], line["code"], line["account"]) == (403, "model_access_denied", keys["member"].account_id)
    assert "provider" not in line


def test_line_when_a_path_was_made_up_then_it_is_not_quoted(gateway: Gateway) -> None:
    """Whatever stands in a path or a query never reaches the log."""
    reply = call(gateway, "GET", "/made-up/path-7d2e?secret=value-7d2e")
    line = line_of(gateway, reply)
    assert (line["status"], line["route"]) == (404, "")
    assert "7d2e" not in gateway.output()


def test_request_when_asked_for_on_the_command_line_then_its_record_agrees_with_the_line(
    gateway: Gateway, key: Key
) -> None:
    """`requests show ID`, from the database."""
    reply = chat(gateway, key, PLAIN)
    line = line_of(gateway, reply)
    request_id = reply.headers["x-request-id"]
    eventually(lambda: gateway.find_request(request_id) is not None, "the record is in the database")
    record = gateway.find_request(request_id)
    assert record is not None
    for name in ("request_id", "status", "model", "provider", "route", "input_tokens", "output_tokens"):
        assert record[name] == line[name], name


class OnTerminal(Gateway):
    """A gateway whose stderr is a terminal; what it shows there is kept like a log file."""

    def start(self) -> None:
        """Start the process and wait until it accepts connections."""
        screen, terminal = pty.openpty()
        with (self.folder / "stdout.log").open("wb") as out:
            self._process = subprocess.Popen(
                [*self._program, "serve", "--config", str(self.config), "--port", "0"],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=terminal,
                cwd=self.folder,
                env=self._environment,
            )
        os.close(terminal)
        (self.folder / "stderr.log").touch()
        self._reader = Thread(target=self._keep, args=(screen,), name="terminal")
        self._reader.start()
        eventually(self._ready, "the banner with the gateway's address", within_s=START_S)

    def _keep(self, screen: int) -> None:
        with (self.folder / "stderr.log").open("ab", buffering=0) as kept:
            try:
                while shown := os.read(screen, 65536):
                    kept.write(shown)
            except OSError:  # the process has ended: nothing is connected to the terminal any more
                pass
            finally:
                os.close(screen)

    def kill(self) -> None:
        """End it, and read what is left on the screen."""
        super().kill()
        self._reader.join(STOP_S)


@pytest.fixture
def on_terminal(upstream: ScriptedUpstream, tmp_path: Path) -> Iterator[OnTerminal]:
    gateway = OnTerminal(tmp_path, render(Plan(upstream.base_url)))
    try:
        gateway.start()
        yield gateway
        gateway.stop()
        gateway.check_files()
    finally:
        gateway.kill()


def test_line_when_a_person_watches_then_it_is_written_in_columns(on_terminal: OnTerminal) -> None:
    """Short enough to read while it passes; the id stands at its end."""
    key = on_terminal.create_key("member", tier=MEMBER)
    answered, refused = chat(on_terminal, key, PLAIN), chat(on_terminal, key, ABOVE)
    eventually(lambda: refused.headers["x-request-id"] in on_terminal.output(), "both lines are shown")
    lines = {line.rpartition(" ")[2]: line for line in on_terminal.output().splitlines()}
    visible = re.escape(key.secret[:8])
    assert re.fullmatch(
        rf"\d\d:\d\d:\d\d 200 POST {CHAT} +\d+\.\d ms \d+\+\d+ tok {PLAIN} {visible} req_\w+",
        lines[answered.headers["x-request-id"]],
    )
    assert re.fullmatch(
        rf"\d\d:\d\d:\d\d 403 POST {CHAT} +\d+\.\d ms {ABOVE} {visible} model_access_denied req_\w+",
        lines[refused.headers["x-request-id"]],
    )
    assert not on_terminal.log_lines()
