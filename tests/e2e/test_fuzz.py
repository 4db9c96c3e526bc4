"""A thousand broken requests, and then everything is as it was."""

import random
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from freetheai_gateway import jsonc
from freetheai_gateway.testing.completions import DEFAULT_TEXT
from freetheai_gateway.testing.upstream import ScriptedUpstream
from tests.e2e.configuration import PLAIN
from tests.e2e.gateway import Gateway, Key, eventually
from tests.e2e.wire import CHAT, chat, chat_body, connected, hang_up, prompt, raw_request

SEED = 20_261_123
COUNT = 1_000
AT_ONCE = 8
ODD: tuple[object, ...] = (None, True, -1, 1e308, "", "\u0000", [], {}, [[[]]], {"a": {"a": {}}}, "x" * 5_000)
FIELDS = ("model", "messages", "stream", "stream_options", "tools", "n", "max_tokens", "response_format", "user")


def wrong_types(dice: random.Random) -> bytes:
    """Make a request with one to three fields of any type."""
    fields: dict[str, object] = {"model": PLAIN, "messages": prompt(), "stream": dice.random() < 0.5}
    for name in dice.sample(FIELDS, dice.randint(1, 3)):
        fields[name] = dice.choice(ODD)
    return jsonc.encode(fields)


def broken_json(dice: random.Random) -> bytes:
    """Make a good body with some bytes changed, dropped or doubled."""
    body = bytearray(chat_body(PLAIN, stream=dice.random() < 0.5))
    for _ in range(dice.randint(1, 8)):
        place = dice.randrange(len(body))
        body[place : place + dice.randint(0, 2)] = dice.randbytes(dice.randint(0, 2))
    return bytes(body)


def broken_head(dice: random.Random, request: bytes) -> bytes:
    """Make a good request with bytes changed in its head."""
    head, _, body = request.partition(b"\r\n\r\n")
    changed = bytearray(head)
    for _ in range(dice.randint(1, 4)):
        changed[dice.randrange(len(changed))] = dice.randrange(256)
    return bytes(changed) + b"\r\n\r\n" + body


def request_and_manners(dice: random.Random, key: Key) -> tuple[bytes, bool]:
    """Make one request, and say whether its client waits for the answer."""

    def ask(body: bytes, path: str = CHAT) -> bytes:
        return raw_request(key, body, path=path, extra="connection: close\r\n")

    good = ask(chat_body(PLAIN, stream=dice.random() < 0.5))
    makers: tuple[tuple[Callable[[], bytes], bool], ...] = (
        (lambda: good[: dice.randrange(1, len(good))], False),
        (lambda: ask(broken_json(dice)), True),
        (lambda: ask(wrong_types(dice)), True),
        (lambda: dice.randbytes(dice.randint(1, 2_000)) + b"\r\n\r\n", dice.random() < 0.5),
        (lambda: broken_head(dice, good), False),
        (lambda: good, False),
        (lambda: ask(b"", f"/v1/{dice.randbytes(9).hex()}"), True),
    )
    make, waits = dice.choice(makers)
    return make(), waits


def send(gateway: Gateway, key: Key, seed: int) -> int:
    """Send one broken request; returns the status, 0 where the client left or nothing came."""
    dice = random.Random(seed)  # noqa: S311 (reproducible, no secret)
    data, waits = request_and_manners(dice, key)
    with connected(gateway) as plain:
        try:
            plain.sendall(data)
            if not waits:
                if dice.random() < 0.5:
                    hang_up(plain)
                return 0
            reply = plain.recv(65536)
        except ConnectionError:
            return 0
    return int(reply.split(b" ", 2)[1]) if reply.startswith(b"HTTP/1.1 ") else 0


def test_gateway_when_a_thousand_broken_requests_came_then_it_serves_as_before(
    gateway: Gateway, keys: dict[str, Key], upstream: ScriptedUpstream
) -> None:
    """No 5xx, no traceback, no slot lost: the next answer says that its own request is the only one."""
    key = keys["fuzz"]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        statuses = Counter(pool.map(lambda number: send(gateway, key, SEED + number), range(COUNT)))
    assert statuses.total() == COUNT
    assert statuses[400] > 100
    assert statuses[404] > 50
    assert not [status for status in statuses if status >= 500]
    eventually(lambda: upstream.in_flight == 0, "the upstream is idle")

    def only_its_own() -> bool:
        reply = chat(gateway, key, PLAIN)
        return reply.status == 200 and reply.headers["x-concurrency-remaining"] == "2"

    eventually(only_its_own, "no slot is held")
    assert chat(gateway, key, PLAIN).text() == DEFAULT_TEXT
    assert not [line for line in gateway.log_lines() if line["status"] == 500]
