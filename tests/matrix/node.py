"""The official npm SDKs, asked from here: a Node process that is handed requests and the gateway's replies."""

import base64
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import anthropic.types
from openai.types.chat import ChatCompletion
from openai.types.responses import Response

from freetheai_gateway import jsonc
from tests.matrix import client_chat, client_messages, client_responses
from tests.matrix.ask import Ask, Forecast
from tests.matrix.heard import Failed, Heard
from tests.matrix.limits import CHAT, MESSAGES
from tests.matrix.loop import ALIAS, Loop
from tests.skipping import skip_or_fail

PACKAGES = Path(sys.prefix) / "node" / "node_modules"
_JUDGE = Path(__file__).with_name("judge.mjs")
_decode: jsonc.Decoder[dict[str, Any]] = jsonc.Decoder(dict[str, Any])


class _Read(Protocol):
    """Reads what the SDK gave, as JSON."""

    def __call__(self, heard: dict[str, Any], *, forecast: bool) -> Heard:
        """Raise `Failed` where the reply says so."""
        ...


class NodeSDK:
    """One Node process for all cells."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self._process = process

    def send(self, loop: Loop, ask: Ask, *, streamed: bool) -> Heard:
        """Ask with the SDK of the loop's client; raises `Failed` where the SDK raises."""
        fields, read = _asked(loop.client, ask)
        self._write({"client": str(loop.client), "streamed": streamed, "fields": fields | {"model": ALIAS}})
        said = self._read()
        while "request" in said:
            reply = loop.post(jsonc.encode(said["request"]))
            body = base64.b64encode(reply.content).decode()
            self._write({"status": reply.status_code, "headers": dict(reply.headers), "body": body})
            said = self._read()
        assert "crashed" not in said, said["crashed"]
        if "failed" in said:
            told = said["failed"]
            raise Failed(None if told["status"] == 200 else told["status"], told["kind"] or "", told["message"])
        return read(said["heard"], forecast=ask.forecast)

    def _write(self, value: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(jsonc.encode(value) + b"\n")
        self._process.stdin.flush()

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the Node process ended"
        return _decode(line)


@contextmanager
def started(folder: Path) -> Iterator[NodeSDK]:
    """Start the process; without the packages the test is skipped, or fails where every service is required."""
    missing = [name for name in ("openai", "@anthropic-ai/sdk") if not (PACKAGES / name).is_dir()]
    if missing or shutil.which("node") is None:
        skip_or_fail(f"Node.js with {', '.join(missing) or 'its packages'} is not installed: make test does it")
    (folder / "node_modules").symlink_to(PACKAGES)
    (folder / _JUDGE.name).write_bytes(_JUDGE.read_bytes())
    command = ["node", _JUDGE.name]
    with subprocess.Popen(command, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        yield NodeSDK(process)
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(10) == 0


def _asked(client: str, ask: Ask) -> tuple[dict[str, Any], "_Read"]:
    """Say what is asked as JSON, and how the SDK's reply is read."""
    if client == CHAT:
        return _plain(client_chat.fields_of(ask), "response_format", _chat_format()), _read_chat
    if client == MESSAGES:
        return _plain(client_messages.fields_of(ask), "output_format", None), _read_message
    return _plain(client_responses.fields_of(ask), "text_format", None), _read_response


def _schema() -> dict[str, Any]:
    return Forecast.model_json_schema() | {"additionalProperties": False}


def _chat_format() -> dict[str, Any]:
    return {"type": "json_schema", "json_schema": {"name": "Forecast", "schema": _schema(), "strict": True}}


def _plain(fields: dict[str, Any], format_field: str, chat_format: dict[str, Any] | None) -> dict[str, Any]:
    """Replace what only Python's SDKs take: a class for the answer's form, and `extra_body`."""
    fields = fields | fields.pop("extra_body", {})
    if fields.pop(format_field, None) is None:
        return fields
    if chat_format is not None:
        return fields | {format_field: chat_format}
    form = {"type": "json_schema", "schema": _schema()}
    if format_field == "output_format":
        return fields | {"output_config": {"format": form}}
    return fields | {"text": {"format": form | {"name": "Forecast", "strict": True}}}


def _read_chat(heard: dict[str, Any], *, forecast: bool) -> Heard:
    read = client_chat.heard_from(ChatCompletion.model_validate(heard))
    return _with_parsed(read, heard["choices"][0]["message"], forecast=forecast)


def _read_message(heard: dict[str, Any], *, forecast: bool) -> Heard:
    read = client_messages.heard_from(anthropic.types.Message.model_validate(heard))
    return _with_parsed(read, heard["content"], forecast=forecast)


def _read_response(heard: dict[str, Any], *, forecast: bool) -> Heard:
    if heard["status"] == "failed":
        raise Failed(None, heard["error"]["code"], heard["error"]["message"])
    read = client_responses.heard_from(Response.model_validate(heard))
    return _with_parsed(read, heard["output"], forecast=forecast)


def _with_parsed(heard: Heard, replay: object, *, forecast: bool) -> Heard:
    """Keep what the SDK gave for sending back; the structured answer is read as its documentation shows."""
    values = {name: getattr(heard, name) for name in Heard.__slots__}
    parsed = Forecast.model_validate_json(heard.text) if forecast else None
    return Heard(**{**values, "replay": replay, "parsed": parsed})
