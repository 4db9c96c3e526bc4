"""What every refusal has, whatever its reason: the envelope, the ids, the headers of design section 5."""

import re
from collections.abc import Iterable

from tests.e2e.gateway import Gateway, Key
from tests.e2e.wire import Reply, chat

GENEROUS_S = 5.0
"""More than an SDK needs to raise at once; one that obeyed `retry-after` would sleep until midnight."""
HAVE_RETRY_AFTER = frozenset({429, 503})


def assert_refused(
    reply: Reply,
    status: int,
    type_: str,
    message: str = "",
    *,
    code: str | None = None,
    param: str | None = None,
    useless: bool = False,
    extra: Iterable[str] = (),
) -> re.Match[str]:
    """Check a refusal; `message` is a pattern for the whole text, `useless` says that a retry is pointless.

    Returns the match, for the numbers that stand in the message.
    """
    assert reply.status == status, reply.body
    assert reply.headers["content-type"].split(";")[0] == "application/json"
    error = reply.error()
    assert set(reply.json()) == {"error"}
    assert set(error) >= {"message", "type", "code", "param", "request_id", *extra}, error
    assert error["type"] == type_
    assert isinstance(error["code"], str)
    assert error["code"] == (code or error["code"])
    assert error["param"] == param
    request_id = str(error["request_id"])
    assert re.fullmatch(r"req_[0-9A-HJKMNP-TV-Z]{26}", request_id)
    assert reply.headers["x-request-id"] == reply.headers["request-id"] == request_id
    assert reply.headers.get("x-should-retry") == ("false" if useless else None)
    if status in HAVE_RETRY_AFTER:
        assert int(reply.headers["retry-after"]) >= 1
    matched = re.fullmatch(message or r".+", str(error["message"]), re.DOTALL)
    assert matched, error["message"]
    return matched


def use_up(gateway: Gateway, key: Key, model: str, *, at_most: int = 20) -> Reply:
    """Ask until the account's limit refuses; returns the refusal."""
    for _ in range(at_most):
        reply = chat(gateway, key, model)
        if reply.status != 200:
            return reply
    raise AssertionError(f"{at_most} requests were answered and none was refused")
