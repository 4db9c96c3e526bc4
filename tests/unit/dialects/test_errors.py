"""Both envelopes, over the whole tree of errors."""

import pytest

from freetheai_gateway import errors
from freetheai_gateway.dialects.anthropic_messages import AnthropicMessages
from freetheai_gateway.dialects.openai_chat import OpenAIChat
from freetheai_gateway.jsonc import decode_any


def _all_errors(base: type[errors.GatewayError] = errors.GatewayError) -> list[type[errors.GatewayError]]:
    return [base, *(found for child in base.__subclasses__() for found in _all_errors(child))]


def test_openai_envelope_is_the_contracts() -> None:
    """The example of the contract, key by key."""
    error = errors.LimitExceeded(
        "10 requests a minute are allowed on tier Starter; try again in 17 s.",
        code="requests_per_minute",
        retry_after_s=16.2,
        details={"limit": 10, "used": 10},
    )
    assert decode_any(OpenAIChat.render_error(error, "req_1")) == {
        "error": {
            "message": "10 requests a minute are allowed on tier Starter; try again in 17 s.",
            "type": "rate_limit_error",
            "code": "requests_per_minute",
            "param": None,
            "limit": 10,
            "used": 10,
            "retry_after_s": 17,
            "request_id": "req_1",
        }
    }
    assert decode_any(AnthropicMessages.render_error(error, "req_1")) == {
        "type": "error",
        "error": {
            "type": "rate_limit_error",
            "message": "10 requests a minute are allowed on tier Starter; try again in 17 s.",
            "details": {"error_code": "requests_per_minute", "limit": 10, "used": 10, "retry_after_s": 17},
        },
        "request_id": "req_1",
    }


@pytest.mark.parametrize("kind", _all_errors(), ids=lambda kind: kind.__name__)
def test_every_error_renders_in_both_dialects_whole_and_streamed(kind: type[errors.GatewayError]) -> None:
    """No class of the tree is forgotten; the code defaults to the type."""
    error = kind("words")
    assert error.code == kind.type
    for dialect in (OpenAIChat, AnthropicMessages):
        body = decode_any(dialect.render_error(error, "req_1"))
        assert isinstance(body, dict)
        assert body["error"]["message"].removeprefix("prompt is too long: ") == "words"
        event = dialect.render_stream_error(error, "req_1")
        assert event.endswith(b"\n\n")
        assert b"[DONE]" not in event


@pytest.mark.parametrize(
    ("kind", "anthropic_type"),
    [
        (errors.Unauthenticated, "authentication_error"),
        (errors.AccessDenied, "permission_error"),
        (errors.ContextLengthExceeded, "invalid_request_error"),
        (errors.ContentPolicyViolation, "invalid_request_error"),
        (errors.ConcurrencyExceeded, "rate_limit_error"),
        (errors.DailyLimitExceeded, "rate_limit_error"),
        (errors.ServerError, "api_error"),
        (errors.ProviderError, "api_error"),
        (errors.ProviderUnavailable, "overloaded_error"),
        (errors.ProviderTimeout, "timeout_error"),
    ],
)
def test_anthropic_types_are_anthropics(kind: type[errors.GatewayError], anthropic_type: str) -> None:
    """As the contract maps them."""
    body = decode_any(AnthropicMessages.render_error(kind("x"), "req_1"))
    assert isinstance(body, dict)
    assert body["error"]["type"] == anthropic_type


@pytest.mark.parametrize(("wait", "useless", "says_no"), [(17, False, False), (61, False, True), (5, True, True)])
def test_should_not_retry_when_waiting_is_long_or_useless(wait: float, useless: bool, says_no: bool) -> None:
    """SDKs sleep for as long as they are told."""
    error = errors.LimitExceeded("x", retry_after_s=wait, retry_is_useless=useless)
    assert error.should_not_retry is says_no


def test_chat_stream_error_has_a_finish_reason_beside_the_error() -> None:
    """SDKs raise on the error; plain readers see an end."""
    event = OpenAIChat.render_stream_error(errors.ProviderError("x"), "req_1")
    body = decode_any(event.removeprefix(b"data: "))
    assert isinstance(body, dict)
    assert body["choices"] == [{"index": 0, "delta": {}, "finish_reason": "error"}]
    assert body["error"]["type"] == "provider_error"


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        (
            "This model's maximum context length is 128000 tokens. However, your messages resulted in 130,000 tokens.",
            "prompt is too long: 130000 tokens > 128000 maximum",
        ),
        (
            "This model's maximum context length is 8192 tokens, however you requested 9000 tokens (4900 in prompt).",
            "prompt is too long: 9000 tokens > 8192 maximum",
        ),
        (
            "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",
            "prompt is too long: 1200000 tokens > 1048576 maximum",
        ),
        (
            "request (5000 tokens) exceeds the available context size (4096 tokens), try increasing it",
            "prompt is too long: 5000 tokens > 4096 maximum",
        ),
        ("It exceeds the context window.", "prompt is too long: It exceeds the context window."),
        ("prompt is too long: 5 tokens > 4 maximum", "prompt is too long: 5 tokens > 4 maximum"),
    ],
)
def test_bug_68_a_full_context_is_said_in_the_words_that_claude_code_knows(said: str, shown: str) -> None:
    """It compacts the conversation on them; the numbers are the upstream's."""
    for render in (AnthropicMessages.render_error, AnthropicMessages.render_stream_error):
        body = decode_any(render(errors.ContextLengthExceeded(said), "req_1").removeprefix(b"event: error\ndata: "))
        assert isinstance(body, dict)
        assert body["error"]["message"] == shown
        assert body["error"]["type"] == "invalid_request_error"
