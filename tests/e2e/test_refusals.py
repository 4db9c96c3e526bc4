"""Every refusal of the error table: status, words, type, code, ids and headers; nothing reaches the upstream."""

import http.client
import re
import socket
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextlib import contextmanager
from threading import Thread

import pytest

from freetheai_gateway import jsonc
from freetheai_gateway.ids import new_key
from freetheai_gateway.testing.upstream import ScriptedUpstream
from tests.e2e.configuration import ABOVE, MODEL, PLAIN, UNSET
from tests.e2e.gateway import Gateway, Key, eventually
from tests.e2e.refusals import assert_refused, use_up
from tests.e2e.wire import (
    CHAT,
    call,
    chat,
    chat_body,
    connected,
    hang_up,
    parse_reply,
    prompt,
    raw_request,
    read_all,
    read_until,
)

ASK = r"[Aa]sk the operator of FreeTheAi for a key\."
CAP_BYTES = 33_554_432


@contextmanager
def one_running(gateway: Gateway, key: Key, upstream: ScriptedUpstream) -> Iterator[None]:
    """Keep one request of the account running."""
    upstream.play("scripted", "silence-mid-stream")
    with connected(gateway) as plain:
        plain.sendall(raw_request(key, chat_body(MODEL, stream=True)))
        read_until(plain, b"Hello")
        yield
    eventually(lambda: upstream.in_flight == 0, "the held request ends")


# --- keys -----------------------------------------------------------------------------------------------------


def test_key_when_missing_then_401_says_how_to_send_one(gateway: Gateway, upstream: ScriptedUpstream) -> None:
    """No key at all."""
    reply = call(gateway, "POST", CHAT, body=chat_body(PLAIN))
    assert_refused(
        reply, 401, "invalid_api_key", rf'Missing API key\. Send it as "Authorization: Bearer fta_…"\. {ASK}'
    )
    assert not upstream.exchanges


@pytest.mark.parametrize("length", [10, 31, 41])
def test_key_when_cut_off_then_401_says_how_much_is_missing(gateway: Gateway, key: Key, length: int) -> None:
    """A key that was copied in part is told from a wrong one."""
    headers = {"authorization": f"Bearer {key.secret[:length]}"}
    reply = call(gateway, "POST", CHAT, body=chat_body(PLAIN), headers=headers)
    words = rf"This API key is incomplete \({length} of 42 characters\)\. Copy it again.+{ASK}"
    assert_refused(reply, 401, "invalid_api_key", words)


@pytest.mark.parametrize("kind", ["unknown", "mistyped", "foreign", "odd"])
def test_key_when_wrong_then_401(gateway: Gateway, key: Key, kind: str) -> None:
    """Unknown, with a typing mistake, of another service, or no ASCII."""
    mistyped = key.secret[:20] + ("a" if key.secret[20] != "a" else "b") + key.secret[21:]
    wrong = {"unknown": new_key(), "mistyped": mistyped, "foreign": "sk-proj-abc", "odd": "fta_é"}[kind]
    reply = call(gateway, "POST", CHAT, body=chat_body(PLAIN), headers={"authorization": f"Bearer {wrong}"})
    assert_refused(reply, 401, "invalid_api_key", rf"Invalid API key\. {ASK}")


def test_key_when_revoked_by_another_process_then_it_is_refused_in_under_a_second(
    gateway: Gateway, keys: dict[str, Key]
) -> None:
    """The command line revokes; the running gateway notices by itself."""
    key = keys["revoked"]
    assert chat(gateway, key, PLAIN).status == 200
    gateway.command("keys", "revoke", key.id)
    eventually(lambda: chat(gateway, key, PLAIN).status == 401, "the revoked key is refused", within_s=1)
    assert_refused(chat(gateway, key, PLAIN), 401, "invalid_api_key", rf"Invalid API key\. {ASK}")


# --- models ---------------------------------------------------------------------------------------------------


def test_model_when_unknown_then_400_names_what_is_near(gateway: Gateway, key: Key) -> None:
    """A typing mistake gets a suggestion and the address of the list."""
    words = rf'unknown aliased model "test/scriptd"\. Did you mean {MODEL}\? All models: {gateway.url}/models'
    assert_refused(chat(gateway, key, "test/scriptd"), 400, "invalid_request_error", words, param="model")


def test_model_when_like_nothing_then_400_suggests_nothing(gateway: Gateway, key: Key) -> None:
    """No suggestion is better than a wild one."""
    words = rf'unknown aliased model "zzzzqqqq"\. All models: {gateway.url}/models'
    assert_refused(chat(gateway, key, "zzzzqqqq"), 400, "invalid_request_error", words, param="model")


def test_model_when_above_the_tier_then_403_names_both_tiers(
    gateway: Gateway, keys: dict[str, Key], upstream: ScriptedUpstream
) -> None:
    """What is needed and what one has."""
    reply = chat(gateway, keys["starter-2"], ABOVE)
    words = rf"{ABOVE} needs tier Regular; you have Starter\.( .+)?"
    assert_refused(reply, 403, "model_access_denied", words, param="model")
    assert not upstream.exchanges
    assert chat(gateway, keys["regular"], ABOVE).status == 200


def test_model_when_its_provider_has_no_key_then_503_and_no_retry(gateway: Gateway, key: Key) -> None:
    """Listed but not set up: waiting is useless, and clients are told so."""
    words = rf"{UNSET} is listed but not set up on this server\."
    reply = chat(gateway, key, UNSET)
    assert_refused(reply, 503, "provider_unavailable", words, code="not_configured", useless=True)


# --- limits ---------------------------------------------------------------------------------------------------


def test_requests_per_minute_when_used_up_then_429_says_when_to_try_again(
    gateway: Gateway, keys: dict[str, Key], upstream: ScriptedUpstream
) -> None:
    """Ten go through and the eleventh does not; refusals consume nothing."""
    reply = use_up(gateway, keys["starter"], PLAIN)
    assert len(upstream.exchanges) == 10
    for refused in (reply, chat(gateway, keys["starter"], PLAIN)):
        found = assert_refused(
            refused,
            429,
            "rate_limit_error",
            r"10 requests a minute are allowed on tier Starter; try again in (\d+) s\.",
            code="requests_per_minute",
            extra=("limit", "used", "retry_after_s"),
        )
        error = refused.error()
        assert (error["limit"], error["used"]) == (10, 10)
        assert str(error["retry_after_s"]) == found[1] == refused.headers["retry-after"]
        assert 1 <= int(found[1]) <= 60
        assert (refused.headers["x-ratelimit-limit"], refused.headers["x-ratelimit-remaining"]) == ("10", "0")
        assert refused.headers["x-ratelimit-reset"] == found[1]
    assert len(upstream.exchanges) == 10


def test_limits_when_refused_for_other_reasons_then_nothing_was_consumed(
    gateway: Gateway, keys: dict[str, Key]
) -> None:
    """Unknown models, broken bodies and tiers above cost no request."""
    key = keys["starter-2"]
    before = int(chat(gateway, key, PLAIN).headers["x-ratelimit-remaining"])
    for body in (b"{", chat_body("no/such"), chat_body(ABOVE), b'{"model":"test/plain"}'):
        assert call(gateway, "POST", CHAT, key=key, body=body).status in {400, 403}
    assert int(chat(gateway, key, PLAIN).headers["x-ratelimit-remaining"]) == before - 1


def test_concurrency_when_full_then_429_until_the_running_request_ends(
    gateway: Gateway, keys: dict[str, Key], upstream: ScriptedUpstream
) -> None:
    """One at a time on this tier; the slot is free as soon as the client of the first is gone."""
    key = keys["member"]
    with one_running(gateway, key, upstream):
        reply = chat(gateway, key, PLAIN)
        assert_refused(
            reply,
            429,
            "concurrency_limit_error",
            r"1 request at a time is allowed on tier Member and 1 is running; wait until it ends\.",
            code="concurrency",
            extra=("limit", "used"),
        )
        assert (reply.error()["limit"], reply.error()["used"]) == (1, 1)
        assert (reply.headers["x-concurrency-limit"], reply.headers["x-concurrency-remaining"]) == ("1", "0")
    eventually(lambda: chat(gateway, key, PLAIN).status == 200, "the slot is free again")


def test_concurrency_when_a_wait_is_allowed_then_a_request_gets_the_slot_that_frees_up(
    hasty: Gateway, hasty_key: Key, upstream: ScriptedUpstream
) -> None:
    """With `concurrency_wait_s` four more wait their turn; the fifth is refused at once, and the four are served."""
    with ThreadPoolExecutor(5) as pool:
        with one_running(hasty, hasty_key, upstream):
            waiting = [pool.submit(chat, hasty, hasty_key, PLAIN) for _ in range(5)]
            refused, _ = wait(waiting, timeout=10, return_when=FIRST_COMPLETED)
        statuses = sorted(future.result().status for future in waiting)
    assert statuses == [200, 200, 200, 200, 429]
    (first,) = refused
    assert first.result().error()["code"] == "concurrency"


def test_concurrency_when_the_wait_is_in_vain_then_429(
    hasty: Gateway, hasty_key: Key, upstream: ScriptedUpstream
) -> None:
    """The wait has an end."""
    with one_running(hasty, hasty_key, upstream):
        assert_refused(chat(hasty, hasty_key, PLAIN), 429, "concurrency_limit_error", code="concurrency")


def test_daily_cap_when_used_up_then_429_and_no_retry(gateway: Gateway, keys: dict[str, Key]) -> None:
    """Waiting is useless before midnight UTC, and clients are told so."""
    reply = use_up(gateway, keys["capped"], PLAIN)
    assert_refused(
        reply, 429, "daily_limit_error", r"2 answers a day .*tier Capped.*", code="daily_requests", useless=True,
        extra=("limit", "used", "retry_after_s"),
    )  # fmt: skip
    assert (reply.error()["limit"], reply.error()["used"]) == (2, 2)
    assert (reply.headers["x-dailylimit-limit"], reply.headers["x-dailylimit-remaining"]) == ("2", "0")
    assert 0 < int(reply.headers["x-dailylimit-reset"]) <= 86_400


# --- bodies ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b"", None),
        (b"{", None),
        (b'{"model":"test/plain",}', None),
        (b"[1,2]", None),
        (b'"text"', None),
        (b"nonsense", None),
        (b'{"model":"test/plain","messages":[{"role":"user","content":"\xff\xfe"}]}', None),
        (b"[" * 100_000, None),
        (jsonc.encode({"messages": prompt()}), "model"),
        (jsonc.encode({"model": None, "messages": prompt()}), "model"),
        (jsonc.encode({"model": 5, "messages": prompt()}), "model"),
        (jsonc.encode({"model": "", "messages": prompt()}), "model"),
        (jsonc.encode({"model": PLAIN}), "messages"),
        (jsonc.encode({"model": PLAIN, "messages": "hi"}), "messages"),
        (jsonc.encode({"model": PLAIN, "messages": []}), "messages"),
        (jsonc.encode({"model": PLAIN, "messages": prompt(), "stream": "yes"}), "stream"),
        (jsonc.encode({"model": PLAIN, "messages": prompt(), "stream": 1}), "stream"),
    ],
)
def test_body_when_wrong_then_400_names_the_field(
    gateway: Gateway, key: Key, upstream: ScriptedUpstream, body: bytes, param: str | None
) -> None:
    """Broken JSON, missing fields and wrong types; the message never quotes the body."""
    reply = call(gateway, "POST", CHAT, key=key, body=body)
    found = assert_refused(reply, 400, "invalid_request_error", param=param)
    assert param is None or param in found[0]
    assert len(found[0]) < 300
    assert not upstream.exchanges


def test_body_when_over_the_cap_then_413_before_it_is_sent(gateway: Gateway, key: Key) -> None:
    """The announced length is enough to refuse."""
    with connected(gateway) as plain:
        plain.sendall(raw_request(key, b'{"model":', length=40_000_000))
        reply = parse_reply(read_until(plain, b"}}"))
    assert_refused(reply, 413, "request_too_large")


def test_body_when_over_the_cap_then_a_client_that_sends_it_all_can_read_the_answer(gateway: Gateway, key: Key) -> None:
    """Some clients read only after they sent everything: they must not find a reset connection."""
    reply = call(gateway, "POST", CHAT, key=key, body=chat_body(PLAIN, padding="x" * 40_000_000))
    assert_refused(reply, 413, "request_too_large")


def test_body_when_over_the_cap_in_chunks_then_413(gateway: Gateway, key: Key) -> None:
    """Without an announced length it is counted as it comes."""
    connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=20)
    try:
        part = b"x" * 1_000_000
        connection.request("POST", CHAT, body=(part for _ in range(40)), headers=key.bearer, encode_chunked=True)
        with connection.getresponse() as response:
            assert response.status == 413
    finally:
        connection.close()


def test_body_when_just_under_the_cap_then_it_is_served(gateway: Gateway, key: Key) -> None:
    """The cap is not smaller than it says."""
    body = chat_body(PLAIN)
    padded = body + b" " * (CAP_BYTES - len(body))
    assert call(gateway, "POST", CHAT, key=key, body=padded).status == 200


def test_body_when_it_stops_coming_then_408(hasty: Gateway, hasty_key: Key) -> None:
    """A body without progress is given up."""
    with connected(hasty) as plain:
        plain.sendall(raw_request(hasty_key, chat_body(PLAIN)[:30], length=500))
        reply = parse_reply(read_all(plain))
    assert_refused(reply, 408, "invalid_request_error")


# --- routes and HTTP ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH"])
def test_method_when_wrong_then_405_names_the_right_one(gateway: Gateway, key: Key, method: str) -> None:
    """The path exists."""
    reply = call(gateway, method, CHAT, key=key)
    assert_refused(reply, 405, "invalid_request_error")
    assert "POST" in reply.headers["allow"]


@pytest.mark.parametrize("path", ["/v1/chat/completion", "/v1/chat", "/v1/nothing", "/v1/chat/completions/x"])
def test_path_when_unknown_then_404(gateway: Gateway, key: Key, path: str) -> None:
    """JSON, never HTML."""
    assert_refused(call(gateway, "POST", path, key=key, body=chat_body(PLAIN)), 404, "not_found_error")


def test_headers_when_sixty_megabytes_then_431(gateway: Gateway, key: Key) -> None:
    """The head has a cap; the server keeps neither the bytes nor the connection."""

    def send(plain: socket.socket) -> None:
        line = b"x-filler: " + b"y" * 60_000 + b"\r\n"
        try:
            plain.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\n")
            for _ in range(1_000):
                plain.sendall(line)
        except OSError:
            return  # refused in the middle, as it should be

    with connected(gateway) as plain:
        sender = Thread(target=send, args=(plain,))
        sender.start()
        data = read_all(plain)
        sender.join()
    assert_refused(parse_reply(data), 431, "request_too_large")
    assert chat(gateway, key, PLAIN).status == 200


def test_header_when_one_is_too_large_then_431(gateway: Gateway, key: Key) -> None:
    """A client library can read the answer."""
    reply = call(gateway, "POST", CHAT, key=key, body=chat_body(PLAIN), headers={"x-filler": "y" * 80_000})
    assert_refused(reply, 431, "request_too_large")


def test_head_when_half_sent_then_408(hasty: Gateway) -> None:
    """A head that does not end is given up, at whatever pace it drips."""
    with connected(hasty) as plain:
        plain.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthoriz")
        reply = parse_reply(read_all(plain))
    assert_refused(reply, 408, "invalid_request_error")


@pytest.mark.parametrize(
    "garbage",
    [b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", b"nonsense\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n",
     b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nabcdef",
     b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nZZ\r\n",
     b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n"],
)  # fmt: skip
def test_bytes_when_they_are_no_http_then_400_in_the_envelope(gateway: Gateway, garbage: bytes) -> None:
    """Parse errors are answered like every other error, with an id."""
    with connected(gateway) as plain:
        plain.sendall(garbage)
        reply = parse_reply(read_all(plain))
    assert_refused(reply, 400, "invalid_request_error")


def test_connection_when_it_stays_idle_then_it_is_closed(hasty: Gateway, hasty_key: Key) -> None:
    """After a reply the connection lives for a while and then is closed without a word."""
    with connected(hasty) as plain:
        plain.sendall(raw_request(hasty_key, chat_body(PLAIN)))
        head = read_until(plain, b"\r\n\r\n")
        length = int(re.findall(rb"content-length: (\d+)", head)[0])
        body = head.partition(b"\r\n\r\n")[2]
        while len(body) < length:
            body += plain.recv(65536)
        assert read_all(plain) == b""


def test_refusals_when_the_client_hangs_up_on_them_then_the_gateway_lives_on(gateway: Gateway, key: Key) -> None:
    """A refused client that resets its connection disturbs nobody."""
    for _ in range(20):
        with connected(gateway) as plain:
            plain.sendall(raw_request(key, b"{", length=40_000_000))
            hang_up(plain)
    assert chat(gateway, key, PLAIN).status == 200
