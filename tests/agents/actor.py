"""An upstream that plays a model at work: it calls the tool it was told of, and tells what the tool gave back.

It speaks every vendor's API, judged and voiced as they document them, and keeps what it was asked.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from freetheai_gateway.testing.voices import VOICES, Answer, Asked, Call, Failure, Spent, Trouble, Voice
from freetheai_gateway.testing.voices.voice import decode_object
from tests.agents.serving import Silent, served
from tests.agents.work import read_work
from tests.e2e.gateway import CANARY, COMPLETION

PROOF = "proof.txt"
"""The file that the agent is told to write."""
SHELL_OUTPUT = CANARY
"""What the file holds and the command prints; the gateway may keep none of it."""
COMMAND = f"echo {SHELL_OUTPUT} > {PROOF}; cat {PROOF}"
GREETING = f"Hello {COMPLETION}."
"""What is said where no tool is called: several pieces of a stream."""
SPENT = Spent(input_tokens=120, output_tokens=30)

ARGUMENTS: Mapping[str, dict[str, object]] = {
    "Bash": {"command": COMMAND, "description": "Write a file"},
    "exec_command": {"cmd": COMMAND},
    "exec": {"input": f"text((await tools.exec_command({{cmd: '{COMMAND}'}})).output)"},
    "apply_patch": {"input": f"*** Begin Patch\n*** Add File: {PROOF}\n+{SHELL_OUTPUT}\n*** End Patch\n"},
    "weather": {"city": "Oslo"},
}
"""What is sent to each tool: two shells, a scripting tool and an editor that take free text, and a plain function."""


@dataclass(frozen=True, slots=True)
class Received:
    """One request as it came."""

    dialect: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    complaints: tuple[str, ...]
    """What the vendor would have refused."""


class Actor:
    """What the server does, and what it received."""

    def __init__(self) -> None:
        self.url = ""
        """The root of the server."""
        self.tool = ""
        self.trouble: Trouble | None = None
        self.received: list[Received] = []

    def begin(self, tool: str, trouble: Trouble | None = None) -> None:
        """Forget what was, and from now on call `tool`, by the last part of its name, or answer with an error."""
        self.received.clear()
        self.tool = tool
        self.trouble = trouble


@contextmanager
def actor_in_thread() -> Iterator[Actor]:
    """Run the upstream beside the tests."""

    class Handler(_Handler):
        actor = Actor()

    with served(Handler) as Handler.actor.url:
        yield Handler.actor


def answer_to(dialect: str, body: bytes, tool: str) -> Answer:
    """Decide what the model says: text after a tool's result, else a call of the tool, else a word."""
    work = read_work(dialect, body)
    if work.results:
        return Answer(text=f"The tool said: {work.results[-1].strip()}", spent=SPENT)
    name = next((name for name in work.tools if name.split("__")[-1] == tool), None)
    if name is None:
        return Answer(text=GREETING, spent=SPENT)
    call = Call(name, ARGUMENTS[tool], id="call_work_1")
    return Answer(text="I will do it.", calls=(call,), spent=SPENT)


class _Handler(Silent):
    actor: Actor

    def do_POST(self) -> None:  # noqa: N802 (the name is the standard library's)
        body = self.rfile.read(int(self.headers["content-length"]))
        path = urlsplit(self.path).path
        voice = next((voice for voice in VOICES.values() if path.endswith(voice.paths)), None)
        if voice is None:  # such as an upstream that counts no tokens
            self._fail(Failure(404, b"{}"))
            return
        complaints = tuple(voice.complaints(body))
        headers = tuple((name.lower(), value) for name, value in self.headers.items())
        self.actor.received.append(Received(voice.name, self.path, headers, body, complaints))
        fields = decode_object(body)
        model = fields.get("model") or unquote(path).rpartition("/")[2].partition(":")[0]
        self._say(voice, Asked(str(model), body), streamed=fields.get("stream") is True or ":stream" in path)

    def _say(self, voice: Voice, asked: Asked, *, streamed: bool) -> None:
        if self.actor.trouble is not None:
            self._fail(voice.failure(self.actor.trouble))
            return
        answer = answer_to(voice.name, asked.body, self.actor.tool)
        self.send_response(200)
        if streamed:
            self.send_header("content-type", "text/event-stream")
            self.send_header("transfer-encoding", "chunked")
            self.end_headers()
            for event in [*voice.events(answer, asked), b""]:
                self.wfile.write(b"%x\r\n%b\r\n" % (len(event), event))
            return
        self._write_json(voice.whole(answer, asked))

    def _fail(self, failure: Failure) -> None:
        self.send_response(failure.status)
        for name, value in failure.headers:
            self.send_header(name, value)
        self._write_json(failure.body)

    def _write_json(self, body: bytes) -> None:
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
