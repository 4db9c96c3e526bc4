"""What people do first: paste a curl line, sometimes with a key or an address that came with extras."""

import os
import subprocess

import pytest

from freetheai_gateway import jsonc
from freetheai_gateway.testing.completions import DEFAULT_TEXT
from freetheai_gateway.testing.upstream import ScriptedUpstream
from tests.e2e.configuration import MODEL, PLAIN
from tests.e2e.gateway import CANARY, Gateway, Key
from tests.e2e.wire import CHAT, Reply, chat_body, parse_reply


def curl(gateway: Gateway, path: str, *headers: str, body: bytes | None = None) -> Reply:
    """Run curl and read the reply with its head."""
    command = ["curl", "-sS", "-i", "--path-as-is", "--max-time", "10", f"{gateway.url}{path}"]
    for header in headers:
        command += ["-H", header]
    if body is not None:
        command += ["-H", "Content-Type: application/json", "--data-binary", "@-"]
    done = subprocess.run(command, input=body, capture_output=True, check=False, timeout=20)
    assert done.returncode == 0, done.stderr.decode()
    return parse_reply(done.stdout)


def test_stream_when_read_with_curl_then_tokens_arrive_one_by_one(
    gateway: Gateway, key: Key, upstream: ScriptedUpstream
) -> None:
    """The documented curl line: the first token is there while the upstream still speaks; `[DONE]` is the end."""
    upstream.play("scripted", "plain?chunks=6&after=3&gap_s=0.5")
    body = f"""{{
"model": "{MODEL}",
"messages": [
{{ "role": "user", "content": "{CANARY} Write a tiny Flask route." }}
],
"stream": true
}}"""
    command = ["curl", "-sS", "-N", f"{gateway.base_url}/chat/completions"]
    command += ["-H", f"Authorization: Bearer {key.secret}", "-H", "Content-Type: application/json", "-d", body]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        text = b""
        while b"tok1" not in text:
            more = os.read(process.stdout.fileno(), 65536)
            assert more, text
            text += more
        still_running = upstream.in_flight
        assert b"tok5" not in text
        text += process.stdout.read()
    assert still_running == 1
    assert process.returncode == 0
    assert text.endswith(b"data: [DONE]\n\n")


@pytest.mark.parametrize(
    "path",
    ["/v1/chat/completions", "/chat/completions", "/v1/v1/chat/completions", "//v1//chat/completions/",
     "/v1/chat/completions/", "/chat//completions", "/v1/chat/completions?api-version=2024-10-21"],
)  # fmt: skip
def test_path_when_nearly_right_then_it_is_understood(gateway: Gateway, key: Key, path: str) -> None:
    """Without `/v1`, with it doubled, with doubled and trailing slashes."""
    reply = curl(gateway, path, f"Authorization: Bearer {key.secret}", body=chat_body(PLAIN))
    assert (reply.status, reply.text()) == (200, DEFAULT_TEXT)


@pytest.mark.parametrize(
    "headers",
    [
        ['Authorization: Bearer "{key}"'],
        ["Authorization: Bearer '{key}'"],
        ["Authorization:   Bearer    {key}   "],
        ["Authorization: bearer {key}"],
        ["Authorization: Bearer Bearer {key}"],
        ["Authorization: {key}"],
        ["x-api-key: {key}"],
        ['X-API-Key:  "{key}" '],
        ["Authorization: Bearer {key}", "x-api-key: {key}"],
    ],
)
def test_key_when_pasted_with_extras_then_it_is_understood(gateway: Gateway, key: Key, headers: list[str]) -> None:
    """Quotes, spaces, a doubled `Bearer`, the other header, both headers."""
    sent = [header.format(key=key.secret) for header in headers]
    assert curl(gateway, CHAT, *sent, body=chat_body(PLAIN)).status == 200


def test_keys_when_two_differ_then_the_request_is_refused(gateway: Gateway, keys: dict[str, Key]) -> None:
    """Which of two keys was meant is not guessed."""
    headers = [f"Authorization: Bearer {keys['operator'].secret}", f"x-api-key: {keys['regular'].secret}"]
    reply = curl(gateway, CHAT, *headers, body=chat_body(PLAIN))
    assert (reply.status, reply.error()["type"]) == (401, "invalid_api_key")


def test_body_when_large_then_curl_waits_for_the_invitation_and_gets_it(gateway: Gateway, key: Key) -> None:
    """A careful curl asks with `Expect: 100-continue` before it sends a megabyte."""
    body = jsonc.encode({"model": PLAIN, "messages": [{"role": "user", "content": "x" * 2_000_000}]})
    headers = [f"Authorization: Bearer {key.secret}", "Expect: 100-continue"]
    command = ["curl", "-sS", "--max-time", "10", "--expect100-timeout", "9", f"{gateway.base_url}/chat/completions"]
    for header in [*headers, "Content-Type: application/json"]:
        command += ["-H", header]
    done = subprocess.run([*command, "--data-binary", "@-"], input=body, capture_output=True, check=True, timeout=20)
    assert DEFAULT_TEXT.encode() in done.stdout
