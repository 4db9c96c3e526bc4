"""What becomes of a reply when the upstream fails: a status before the first byte, an error event after it."""

import openai
import pytest

from freetheai_gateway import jsonc
from freetheai_gateway.testing.completions import DEFAULT_TEXT
from freetheai_gateway.testing.scripts import LAST_CHUNK, Script, Send, head, http_chunk
from freetheai_gateway.testing.upstream import ScriptedUpstream
from tests.e2e.configuration import MODEL, PLAIN
from tests.e2e.gateway import CANARY, UPSTREAM_KEY, Gateway, Key, eventually
from tests.e2e.refusals import assert_refused
from tests.e2e.wire import Reply, call, chat, chat_body, connected, raw_request, read_until

APART_S = 0.1
"""Between events: what comes together in one read is judged together."""
FAILED = rf"The provider of {MODEL} failed\. .+"


def play(upstream: ScriptedUpstream, behaviour: str) -> None:
    """Set what the model of these tests does."""
    upstream.play("scripted", behaviour)


def assert_broken_off(reply: Reply, type_: str) -> None:
    """Check a stream that ended in our error event: no `[DONE]`, our shape, none of the upstream's words."""
    assert reply.status == 200
    events = reply.events()
    assert b"[DONE]" not in events
    last = jsonc.Decoder(dict[str, object])(events[-1])
    error = last["error"]
    assert isinstance(error, dict)
    assert (error["type"], error["request_id"]) == (type_, reply.headers["x-request-id"])
    assert last["choices"] == [{"index": 0, "delta": {}, "finish_reason": "error"}]
    assert b"server had an error" not in reply.body
    assert b"upstream" not in events[-1].lower()


# --- before the first byte ------------------------------------------------------------------------------------


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    "behaviour",
    ["cut-before-head", "cut-before-head?reset=1", "cut-after-head", "not-http", "html-page", "error-first",
     "bad-json", "status?code=500", "status?code=500&form=html", "status?code=502&form=empty", "status?code=401",
     "status?code=402&form=string", "status?code=403&form=detail", "status?code=404&form=array", "model-not-found",
     "status?code=302"],
)  # fmt: skip
def test_upstream_when_it_fails_before_the_first_byte_then_502(
    gateway: Gateway, key: Key, upstream: ScriptedUpstream, behaviour: str, stream: bool
) -> None:
    """Whatever the upstream did, also to our credentials: one sentence, no detail, an HTTP status."""
    play(upstream, behaviour)
    reply = chat(gateway, key, MODEL, stream=stream)
    assert_refused(reply, 502, "provider_error", FAILED)
    for secret in (UPSTREAM_KEY, str(upstream.port), "scripted refusal"):
        assert secret.encode() not in reply.body


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("form", ["object", "string", "html"])
def test_upstream_when_it_is_busy_then_503_with_its_retry_after(
    gateway: Gateway, key: Key, upstream: ScriptedUpstream, stream: bool, form: str
) -> None:
    """The upstream's rate limit is not the member's: 503, not 429."""
    play(upstream, f"status?code=429&retry_after=7&form={form}")
    reply = chat(gateway, key, MODEL, stream=stream)
    assert_refused(reply, 503, "provider_unavailable")
    assert reply.headers["retry-after"] == "7"
    play(upstream, "status?code=503&retry_after=3600")
    far = chat(gateway, key, MODEL, stream=stream)
    assert_refused(far, 503, "provider_unavailable", useless=True)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    "said",
    [
        ("context-length", "context_length_exceeded", r"This model's maximum context length is 8192 tokens\..+"),
        ("content-policy", "content_policy_violation", r"Your request was rejected as a result of our safety system\."),
        ("status?code=400", "invalid_request_error", r"scripted refusal 400"),
        ("status?code=422&form=detail", "invalid_request_error", r"scripted refusal 422"),
        ("status?code=400&form=int_code", "invalid_request_error", r"scripted refusal 400"),
    ],
    ids=lambda said: said[0],
)
def test_upstream_when_the_request_is_at_fault_then_400_as_it_said(
    gateway: Gateway, key: Key, upstream: ScriptedUpstream, said: tuple[str, str, str], stream: bool
) -> None:
    """What the member can mend is passed on."""
    behaviour, type_, words = said
    play(upstream, behaviour)
    reply = chat(gateway, key, MODEL, stream=stream)
    param = "messages" if behaviour == "context-length" else None
    assert_refused(reply, 400, type_, words, param=param)


def test_upstream_when_it_is_silent_before_the_head_then_504(
    gateway: Gateway, key: Key, upstream: ScriptedUpstream
) -> None:
    """A stream's first byte has a deadline; signs of life may have gone out by then."""
    play(upstream, "never")
    reply = chat(gateway, key, MODEL, stream=True)
    if reply.status == 200:
        assert_broken_off(reply, "provider_timeout")
    else:
        assert_refused(reply, 504, "provider_timeout")


@pytest.mark.parametrize("behaviour", ["cut-body", "json-anyway?finish=null", "bad-json"])
def test_whole_reply_when_it_is_no_reply_then_502(
    gateway: Gateway, key: Key, upstream: ScriptedUpstream, behaviour: str
) -> None:
    """A body that is cut off, or is no chat completion, is never passed on as one."""
    play(upstream, behaviour)
    reply = chat(gateway, key, MODEL)
    if behaviour.startswith("json-anyway"):
        assert reply.text() == DEFAULT_TEXT  # a finish reason of null is leaked by real servers and harmless here
    else:
        assert_refused(reply, 502, "provider_error", FAILED)


def test_stream_when_the_upstream_answers_in_one_json_body_then_it_is_streamed_all_the_same(
    gateway: Gateway, key: Key, upstream: ScriptedUpstream
) -> None:
    """Some upstreams ignore that a stream was asked for; the client gets the events that it expects."""
    play(upstream, "json-anyway")
    reply = chat(gateway, key, MODEL, stream=True)
    assert reply.headers["content-type"].startswith("text/event-stream")
    assert reply.body.endswith(b"data: [DONE]\n\n")
    assert DEFAULT_TEXT.split()[0].encode() in reply.body
    assert f'"model":"{MODEL}"'.encode() in reply.body


def test_whole_reply_when_the_upstream_streams_anyway_then_it_is_folded(
    gateway: Gateway, key: Key, upstream: ScriptedUpstream
) -> None:
    """The other way round."""
    play(upstream, "sse-anyway")
    reply = chat(gateway, key, MODEL)
    assert (reply.status, reply.headers["content-type"]) == (200, "application/json")
    assert reply.text() == DEFAULT_TEXT


def test_failure_when_before_content_then_it_costs_nothing_of_the_day(
    gateway: Gateway, upstream: ScriptedUpstream
) -> None:
    """The daily cap counts answers: failures and refusals of the upstream give their reservation back."""
    key = gateway.create_key("unlucky", tier=4)
    for behaviour in ("cut-before-head", "status?code=500", "error-first", "context-length"):
        play(upstream, behaviour)
        assert chat(gateway, key, MODEL, stream=True).status != 200
    assert chat(gateway, key, PLAIN).headers["x-dailylimit-remaining"] == "1"


# --- after the first byte -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "behaviour",
    ["cut-mid-stream", "cut-mid-stream?reset=1", "cut-mid-event", "error-mid-stream", "bad-sse",
     "plain?finish=null&done=0", "cut-mid-stream?framing=close"],
)  # fmt: skip
def test_upstream_when_it_fails_in_mid_stream_then_an_error_event_and_no_done(
    gateway: Gateway, key: Key, upstream: ScriptedUpstream, behaviour: str
) -> None:
    """What was said stays said; the end is never made to look polite."""
    play(upstream, f"{behaviour}{'&' if '?' in behaviour else '?'}delay_s={APART_S}")
    reply = chat(gateway, key, MODEL, stream=True)
    assert b"Hello" in reply.body
    assert_broken_off(reply, "provider_error")


def test_upstream_when_it_falls_silent_in_mid_stream_then_a_timeout_event(
    gateway: Gateway, key: Key, upstream: ScriptedUpstream
) -> None:
    """Silence has a deadline too."""
    play(upstream, "silence-mid-stream")
    reply = chat(gateway, key, MODEL, stream=True)
    assert b": " in reply.body
    assert_broken_off(reply, "provider_timeout")


@pytest.mark.parametrize("behaviour", ["cut-mid-stream?", "error-mid-stream?", "plain?finish=null&done=0&"])
def test_sdk_when_the_stream_breaks_off_then_it_raises(
    sdk: openai.OpenAI, upstream: ScriptedUpstream, behaviour: str
) -> None:
    """The OpenAI SDK raises its `APIError` with our sentence, and does not take the text for complete."""
    play(upstream, f"{behaviour}delay_s={APART_S}")
    stream = sdk.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": CANARY}], stream=True)
    with pytest.raises(openai.APIError, match=f"The provider of {MODEL} failed"):
        list(stream)


def test_stream_when_it_has_a_finish_reason_but_no_done_then_it_ends_politely(
    gateway: Gateway, key: Key, upstream: ScriptedUpstream
) -> None:
    """A finish reason is an end; `[DONE]` is added for the clients that wait for it."""
    play(upstream, "plain?done=0")
    reply = chat(gateway, key, MODEL, stream=True)
    assert reply.events()[-1] == b"[DONE]"
    assert b'"error"' not in reply.body


@pytest.mark.parametrize(
    "behaviour", ["plain?first_delay_s=0.55", "plain?head_delay_s=0.55", "plain?after=3&gap_s=0.55"]
)
def test_stream_when_the_upstream_is_silent_then_comments_keep_it_alive(
    gateway: Gateway, key: Key, sdk: openai.OpenAI, upstream: ScriptedUpstream, behaviour: str
) -> None:
    """Comments only: no `id:`, no `event:`, no empty data; the SDK reads on as if nothing were."""
    play(upstream, behaviour)
    reply = chat(gateway, key, MODEL, stream=True)
    lines = reply.body.split(b"\n")
    assert sum(line.startswith(b":") for line in lines) >= 2
    assert all(line.startswith((b":", b"data: ")) for line in lines if line)
    assert reply.events()[-1] == b"[DONE]"
    stream = sdk.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": CANARY}], stream=True)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in stream) == DEFAULT_TEXT


def test_failure_when_after_a_sign_of_life_then_it_is_an_event_and_the_sdk_raises(
    gateway: Gateway, key: Key, sdk: openai.OpenAI, upstream: ScriptedUpstream
) -> None:
    """Once a comment went out the status is spent: the failure comes as an error event."""
    play(upstream, "cut-before-head?head_delay_s=0.55")
    assert_broken_off(chat(gateway, key, MODEL, stream=True), "provider_error")
    stream = sdk.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": CANARY}], stream=True)
    with pytest.raises(openai.APIError, match="failed"):
        list(stream)


# --- clients that read slowly ---------------------------------------------------------------------------------


def megabytes(count: int) -> Script:
    """Write a stream of events of a megabyte each."""
    event = jsonc.encode(
        {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "scripted",
         "choices": [{"index": 0, "delta": {"content": "x" * 1_000_000}, "finish_reason": None}]}
    )  # fmt: skip
    opening = head(200, (("content-type", "text/event-stream"), ("transfer-encoding", "chunked")))
    done = http_chunk(b"data: [DONE]\n\n") + LAST_CHUNK
    return (Send(opening), *([Send(http_chunk(b"data: " + event + b"\n\n"))] * count), Send(done))


def test_reader_when_it_stops_reading_then_it_is_cut_off_and_the_slot_is_free(
    hasty: Gateway, hasty_key: Key, upstream: ScriptedUpstream
) -> None:
    """Neither the gateway's memory nor the slot waits for a client that does not read."""
    upstream.play("scripted", megabytes(60))
    with connected(hasty, receive_buffer=4096) as plain:
        plain.sendall(raw_request(hasty_key, chat_body(MODEL, stream=True)))
        read_until(plain, b"data: ")
        eventually(lambda: upstream.cancelled == 1, "the upstream is let go")
        eventually(lambda: chat(hasty, hasty_key, PLAIN).status == 200, "the slot is free again")
    assert upstream.exchanges[0].sent_bytes < 40_000_000


def test_reader_when_it_reads_slowly_then_it_gets_everything(
    hasty: Gateway, hasty_key: Key, upstream: ScriptedUpstream
) -> None:
    """Progress is what counts, not speed; the upstream is held back meanwhile."""
    upstream.play("scripted", megabytes(12))
    with connected(hasty, receive_buffer=65536) as plain:
        plain.sendall(raw_request(hasty_key, chat_body(MODEL, stream=True)))
        tail, size = b"", 0
        while not tail.endswith(b"0\r\n\r\n"):
            data = plain.recv(65536)
            assert data, f"cut off after {size} bytes"
            tail, size = (tail + data)[-64:], size + len(data)
    assert size > 12_000_000
    assert b"[DONE]" in tail


def test_whole_body_when_a_key_has_one_slot_then_it_is_free_before_the_last_byte_is_read(
    gateway: Gateway, keys: dict[str, Key]
) -> None:
    """A client that asks again at once, on the same connection, is never told that its last request still runs."""
    for _ in range(20):
        reply = call(gateway, "POST", "/v1/chat/completions", key=keys["member"], body=chat_body(PLAIN))
        assert reply.status == 200
