"""The official OpenAI package for Node.js: the specification's example, a stream, tools, and what it raises."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from freetheai_gateway import jsonc
from freetheai_gateway.testing.completions import DEFAULT_TEXT
from freetheai_gateway.testing.upstream import ScriptedUpstream
from tests.e2e.configuration import CAPPED, MODEL, PLAIN
from tests.e2e.gateway import CANARY, Gateway, Key, eventually
from tests.e2e.refusals import use_up
from tests.skipping import skip_or_fail

PACKAGES = Path(sys.prefix) / "node" / "node_modules"
"""Where `make test` installs them."""
RUN_S = 20

EXAMPLE = """
import OpenAI from "openai";
const client = new OpenAI({
apiKey: process.env.FREETHEAI_API_KEY,
baseURL: "@BASE_URL@"
});
const res = await client.chat.completions.create({
model: "@MODEL@",
messages: [{ role: "user", content: "Reply with OK." }]
});
console.log(res.choices[0].message.content);
"""
"""The JavaScript example of the specification, but for base URL and model."""

OPENING = """
import OpenAI from "openai";
const client = new OpenAI({ apiKey: process.env.FREETHEAI_API_KEY, baseURL: "@BASE_URL@" });
const messages = [{ role: "user", content: "@CANARY@ What is the weather in Oslo?" }];
"""

STREAM = """
const stream = await client.chat.completions.create({
  model: "@MODEL@", messages, stream: true, stream_options: { include_usage: true },
});
const seen = { text: "", models: [], finish: null, usage: null };
for await (const chunk of stream) {
  if (!seen.models.includes(chunk.model)) seen.models.push(chunk.model);
  seen.text += chunk.choices[0]?.delta?.content ?? "";
  seen.finish = chunk.choices[0]?.finish_reason ?? seen.finish;
  seen.usage = chunk.usage ?? seen.usage;
}
console.log(JSON.stringify(seen));
"""

TOOLS = """
const parameters = { type: "object", properties: { city: { type: "string" } } };
const tools = [{ type: "function", function: { name: "weather", description: "Tell the weather.", parameters } }];
const runner = client.chat.completions.stream({ model: "@MODEL@", messages, tools });
const asked = (await runner.finalChatCompletion()).choices[0];
messages.push(asked.message);
for (const call of asked.message.tool_calls) {
  const { city } = JSON.parse(call.function.arguments);
  messages.push({ role: "tool", tool_call_id: call.id, content: `Rain in ${city}.` });
}
const answer = await client.chat.completions.create({ model: "@MODEL@", messages, tools });
console.log(JSON.stringify({
  finish: asked.finish_reason, names: asked.message.tool_calls.map((call) => call.function.name),
  answer: answer.choices[0].message.content,
}));
"""

REFUSED = """
try {
  await client.chat.completions.create({ model: "@MODEL@", messages });
} catch (error) {
  console.log(JSON.stringify({
    name: error.constructor.name, status: error.status, code: error.code, type: error.type, id: error.requestID,
    retries: client.maxRetries,
  }));
}
"""

Script = Callable[..., str]


@pytest.fixture
def run(gateway: Gateway, tmp_path: Path) -> Script:
    """Run a program with the package at hand; returns what it prints."""
    absent = shutil.which("node") is None or not (PACKAGES / "openai").is_dir()
    if absent:
        skip_or_fail("Node.js or its openai package is not installed: apt-get install nodejs npm, then make test")
    (tmp_path / "node_modules").symlink_to(PACKAGES)

    def run_script(program: str, key: Key, model: str) -> str:
        words = {"@BASE_URL@": gateway.base_url, "@MODEL@": model, "@CANARY@": CANARY}
        for word, meaning in words.items():
            program = program.replace(word, meaning)
        script = tmp_path / "client.mjs"
        script.write_text(program)
        environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "FREETHEAI_API_KEY": key.secret}
        done = subprocess.run(
            ["node", str(script)], capture_output=True, check=False, cwd=tmp_path, env=environment, timeout=RUN_S
        )
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode().removesuffix("\n")

    return run_script


def read(printed: str) -> dict[str, object]:
    """Read the one object that a program printed."""
    return jsonc.Decoder(dict[str, object])(printed)


def refusals_of(gateway: Gateway, key: Key) -> list[object]:
    """List the refused requests of an account as the log has them."""
    lines = [line for line in gateway.log_lines() if line.get("account") == key.account_id]
    return [line["request_id"] for line in lines if line["status"] == 429]


def test_example_when_run_as_the_specification_has_it_then_the_answer_is_printed(run: Script, key: Key) -> None:
    """Nothing but base URL and model differs from the published text."""
    assert run(EXAMPLE, key, PLAIN) == DEFAULT_TEXT


def test_stream_when_read_with_for_await_then_text_usage_and_end_come(run: Script, key: Key) -> None:
    """Every chunk names the alias; the last one brings the usage that was asked for."""
    seen = read(run(OPENING + STREAM, key, PLAIN))
    assert (seen["text"], seen["models"], seen["finish"]) == (DEFAULT_TEXT, [PLAIN], "stop")
    assert isinstance(seen["usage"], dict)
    assert seen["usage"]["completion_tokens"] > 0


def test_tools_when_called_in_a_stream_then_the_second_turn_answers(
    run: Script, key: Key, upstream: ScriptedUpstream
) -> None:
    """The package puts the pieces of the arguments together; their results go back the same way."""
    upstream.play("scripted", "tools")
    seen = read(run(OPENING + TOOLS, key, MODEL))
    assert seen == {"finish": "tool_calls", "names": ["weather"], "answer": DEFAULT_TEXT}
    (_, second) = upstream.exchanges
    messages = second.fields()["messages"]
    assert isinstance(messages, list)
    assert messages[-1]["content"] == "Rain in Oslo."


def test_refusal_when_the_day_is_used_up_then_the_package_raises_without_waiting(run: Script, gateway: Gateway) -> None:
    """Its own class, our code, and the id to report; it would retry twice were it not told otherwise."""
    capped = gateway.create_key("capped in node", tier=CAPPED)
    refused = use_up(gateway, capped, PLAIN)
    assert refused.status == 429
    seen = read(run(OPENING + REFUSED, capped, PLAIN))
    assert (seen["name"], seen["status"], seen["code"]) == ("RateLimitError", 429, "daily_requests")
    assert (seen["type"], seen["retries"]) == ("daily_limit_error", 2)
    expected = [refused.headers["x-request-id"], seen["id"]]
    eventually(lambda: refusals_of(gateway, capped) == expected, "the package asked once, and not again")
