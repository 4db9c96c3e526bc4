"""The clients, and the log that they keep: it is the judge."""

import asyncio
import itertools
import random
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import aiohttp

_REST_S = 0.05
"""Between a refusal and the next try: long enough to leave the machine to the gateways."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole good answer; times are of the monotonic clock."""

    request_id: str
    sent_at: float
    answered_at: float


@dataclass
class Log:
    """What the clients saw."""

    answers: list[Answer] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)
    lost: int = 0
    """Requests whose connection broke: their gateway was killed."""
    daily_used: int = 0
    """What the last answer's headers said."""


async def hammer(ports: Sequence[int], keys: Sequence[str], clients: int, seconds: float) -> Log:
    """Ask again and again, each client in turn on every gateway."""
    log = Log()
    ends_at = time.monotonic() + seconds
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as session, asyncio.TaskGroup() as tasks:
        for number in range(clients):
            first = number % len(ports)
            turns = itertools.cycle(itertools.product([*ports[first:], *ports[:first]], keys[number::clients]))
            tasks.create_task(_client(session, turns, ends_at, log))
    return log


async def _client(session: aiohttp.ClientSession, turns: Iterator[tuple[int, str]], ends_at: float, log: Log) -> None:
    while time.monotonic() < ends_at:
        port, key = next(turns)
        try:
            good = await ask(session, port, key, log)
        except (aiohttp.ClientError, OSError):
            log.lost += 1
            good = False
        if not good:
            await asyncio.sleep(_REST_S * (0.5 + random.random()))  # noqa: S311 (spreads the load)


async def ask(session: aiohttp.ClientSession, port: int, key: str, log: Log, model: str = "hammer/quick") -> bool:
    """Send one request; whether a whole good answer came."""
    sent_at = time.monotonic()
    body = {"model": model, "messages": [{"role": "user", "content": "Hello."}]}
    headers = {"authorization": f"Bearer {key}"}
    async with session.post(f"http://127.0.0.1:{port}/v1/chat/completions", json=body, headers=headers) as reply:
        answered = await reply.json()
        if reply.status == 200:
            log.answers.append(Answer(reply.headers["x-request-id"], sent_at, time.monotonic()))
            limit, left = reply.headers.get("x-dailylimit-limit"), reply.headers.get("x-dailylimit-remaining")
            if limit is not None and left is not None:
                log.daily_used = int(limit) - int(left)
            return True
        log.refused[f"{reply.status} {answered['error'].get('code')}"] += 1
        return False
