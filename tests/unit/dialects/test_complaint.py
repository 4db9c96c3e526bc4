"""What upstreams say in HTTP errors, in every shape that is seen."""

import pytest

from freetheai_gateway.dialects.complaint import Blame, parse_complaint
from freetheai_gateway.jsonc import encode


@pytest.mark.parametrize(
    ("status", "body", "blame", "message"),
    [
        (400, b'{"error":{"message":"bad temperature","code":"invalid_value"}}', Blame.REQUEST, "bad temperature"),
        (422, b'{"detail":"bad"}', Blame.REQUEST, "bad"),
        (422, b'{"detail":[{"loc":["x"]}]}', Blame.REQUEST, ""),
        (422, b'{"detail":[{"loc":["body","n",0],"msg":"too big"},{"msg":"odd"}]}', Blame.REQUEST, "n.0: too big; odd"),
        (422, b'{"message":{"detail":[{"loc":["body","top_p"],"msg":"bad"}]}}', Blame.REQUEST, "top_p: bad"),
        (400, b'{"error":"just text"}', Blame.REQUEST, "just text"),
        (400, b'{"message":"m"}', Blame.REQUEST, "m"),
        (400, b'[{"error":{"message":"array","code":400}}]', Blame.REQUEST, "array"),
        (400, b"<html>nope</html>", Blame.REQUEST, ""),
        (400, b"", Blame.REQUEST, ""),
        (400, b'{"error":{"message":"x","code":"context_length_exceeded"}}', Blame.CONTEXT_LENGTH, "x"),
        (
            400,
            b'{"error":{"message":"This model\'s maximum context length is 10 tokens"}}',
            Blame.CONTEXT_LENGTH,
            "This model's maximum context length is 10 tokens",
        ),
        (400, b'{"error":{"message":"prompt is too long: 5 > 4"}}', Blame.CONTEXT_LENGTH, "prompt is too long: 5 > 4"),
        (400, b'{"error":{"message":"string too long"}}', Blame.REQUEST, "string too long"),
        (400, b'{"error":{"message":"x","code":"content_filter"}}', Blame.CONTENT_POLICY, "x"),
        (400, b'{"error":{"message":"x","code":"tool_use_failed","failed_generation":"y"}}', Blame.PROVIDER, None),
        (413, b"", Blame.TOO_LARGE, ""),
        (401, b'{"error":{"message":"Incorrect API key provided: sk-abcdef123456"}}', Blame.PROVIDER, None),
        (402, b"", Blame.PROVIDER, None),
        (403, b"", Blame.PROVIDER, None),
        (404, b"", Blame.PROVIDER, None),
        (500, b"", Blame.PROVIDER, None),
        (302, b"", Blame.PROVIDER, None),
        (429, b"", Blame.BUSY, None),
        (503, b"", Blame.BUSY, None),
        (529, b"", Blame.BUSY, None),
        (504, b"", Blame.TIMEOUT, None),
    ],
)
def test_complaint_is_read_from_every_shape(status: int, body: bytes, blame: Blame, message: str | None) -> None:
    """The status and the code decide who is to blame; the client's own faults keep the sentence."""
    complaint = parse_complaint(status, body)
    assert complaint.blame is blame
    if message is not None:
        assert complaint.message == message


@pytest.mark.parametrize(
    "leak",
    [
        "sk-proj-abcdef0123456789",
        "https://api.upstream.example/v1?key=1",
        "10.20.30.40:8080",
        "org-AbCdEf123456",
        "AIza-SyA1234567890",
        "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9abcdef",
    ],
)
def test_complaint_never_holds_addresses_or_secrets(leak: str) -> None:
    """What looks like one is taken out of the sentence."""
    complaint = parse_complaint(400, b'{"error":{"message":"Bad key %s here"}}' % leak.encode())
    assert leak not in complaint.message
    assert complaint.message.startswith("Bad key [")
    assert complaint.message.endswith("] here")


def test_complaint_is_one_short_printable_line() -> None:
    """Control characters and novels do not reach the client."""
    complaint = parse_complaint(400, b'{"error":{"message":"a\\nb\\u0000' + b"word " * 500 + b'"}}')
    assert complaint.message.startswith("a b")
    assert len(complaint.message) <= 500


def test_complaint_code_is_a_plain_word_or_nothing() -> None:
    """Numbers and sentences are no codes."""
    codes = {
        b'"code":"unsupported_parameter"': "unsupported_parameter",
        b'"code":400,"type":"invalid_request_error"': "invalid_request_error",
        b'"code":"Not A Word"': None,
    }
    for fields, code in codes.items():
        assert parse_complaint(400, b'{"error":{"message":"x",%s}}' % fields).code == code


def google_error(code: int, status: str, message: str = "m", details: bytes = b"[]") -> bytes:
    """Build an error in the form of Google's APIs."""
    return b'{"error":{"code":%d,"message":"%s","status":"%s","details":%s}}' % (
        code,
        message.encode(),
        status.encode(),
        details,
    )


@pytest.mark.parametrize("form", [b"%s", b"[%s]", b"[%s\n]"])
def test_complaint_of_google_gives_its_status_as_code_and_how_long_to_wait(form: bytes) -> None:
    """Also in the array that a stream's address answers with; the wait stands among the details."""
    details = b"""[{"@type":"type.googleapis.com/google.rpc.QuotaFailure","violations":[]},
        {"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"34.4s"}, 7]"""
    complaint = parse_complaint(429, form % google_error(429, "RESOURCE_EXHAUSTED", details=details))
    assert (complaint.blame, complaint.code, complaint.retry_delay_s) == (Blame.BUSY, "resource_exhausted", 34.4)


@pytest.mark.parametrize("delay", [b"34", b'"34"', b'"-1s"', b'"s"', b'"1e9s"', b'"9999999999s"', b"null", b"{}"])
def test_complaint_of_google_when_the_wait_is_no_duration_then_has_none(delay: bytes) -> None:
    """What is not in the documented form is not guessed at."""
    body = google_error(429, "RESOURCE_EXHAUSTED", details=b'[{"retryDelay":%s}]' % delay)
    assert parse_complaint(429, body).retry_delay_s is None


@pytest.mark.parametrize(
    ("status", "message", "details", "blame"),
    [
        ("INVALID_ARGUMENT", "Invalid value at contents", b"[]", Blame.REQUEST),
        (
            "INVALID_ARGUMENT",
            "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",
            b"[]",
            Blame.CONTEXT_LENGTH,
        ),
        ("INVALID_ARGUMENT", "API key not valid.", b'[{"reason":"API_KEY_INVALID"}]', Blame.PROVIDER),
        ("FAILED_PRECONDITION", "User location is not supported for the API use.", b"[]", Blame.PROVIDER),
        ("FAILED_PRECONDITION", "odd details", b'{"a":1}', Blame.PROVIDER),
    ],
)
def test_complaint_of_google_with_400_tells_our_faults_from_the_callers(
    status: str, message: str, details: bytes, blame: Blame
) -> None:
    """Its answer to a wrong key has status 400 too, and is none of the caller's business."""
    assert parse_complaint(400, google_error(400, status, message, details)).blame is blame


@pytest.mark.parametrize(
    "message",
    [
        "This model's maximum prompt length is 131072 but the request contains 537812 tokens.",
        "The input (5000 tokens) is longer than the model's context length (4096 tokens).",
        "The decoder prompt (length 5000) is longer than the maximum model length of 4096.",
        "tokens to keep from the initial prompt is greater than the context length",
        "Prompt contains 40000 tokens, too large for model with 32768 maximum context length",
        "Invalid request: Your request exceeded model token limit: 262144",
        "Please reduce the length of the messages or completion.",
        "Prompt exceeds max length",
        "Input is too long for requested model.",
        "invalid params, context window exceeds limit (2013)",
        "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 8193.",
        "Range of input length should be [1, 30720]",
        "the request exceeds the available context size, try increasing it",
    ],
)
def test_complaint_of_a_full_context_is_known_in_every_servers_words(message: str) -> None:
    """Claude Code and Codex shorten the conversation on it, and on nothing else."""
    assert parse_complaint(400, encode({"error": {"message": message}})).blame is Blame.CONTEXT_LENGTH


@pytest.mark.parametrize(
    ("raw", "blame", "message"),
    [
        (
            '{"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 5 > 4"}}',
            Blame.CONTEXT_LENGTH,
            "prompt is too long: 5 > 4",
        ),
        ("at most 1 image per prompt", Blame.REQUEST, "at most 1 image per prompt"),
        ('{"error":{}}', Blame.REQUEST, '{"error":{}}'),
        (7, Blame.REQUEST, "Provider returned error"),
    ],
)
def test_complaint_when_a_proxy_only_passes_it_on_then_the_providers_own_counts(
    raw: object, blame: Blame, message: str
) -> None:
    """OpenRouter's own sentence says nothing; the provider's stands beside it."""
    error = {"message": "Provider returned error", "code": 400, "metadata": {"raw": raw, "provider_name": "P"}}
    complaint = parse_complaint(400, encode({"error": error}))
    assert (complaint.blame, complaint.message) == (blame, message)
