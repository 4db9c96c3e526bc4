"""Where an account stands, as headers."""

from freetheai_gateway.dialects.anthropic_messages import AnthropicMessages
from freetheai_gateway.dialects.openai_chat import OpenAIChat
from freetheai_gateway.domain.limits import Rule, Standing
from freetheai_gateway.services.limit_headers import limit_headers

NOW = 1_795_392_000.0
STANDINGS = [
    Standing(Rule.REQUESTS_PER_MINUTE, 10, 3, 16.2),
    Standing(Rule.TOKENS_PER_MINUTE, 1000, 10, 5.0),
    Standing(Rule.CONCURRENCY, 2, 1, 1.0),
    Standing(Rule.DAILY_REQUESTS, 100, 140, 3600.5),
]
OURS = [
    (b"x-concurrency-limit", b"2"),
    (b"x-concurrency-remaining", b"1"),
    (b"x-dailylimit-limit", b"100"),
    (b"x-dailylimit-remaining", b"0"),
    (b"x-dailylimit-reset", b"3601"),
    (b"x-ratelimit-limit", b"10"),
    (b"x-ratelimit-remaining", b"7"),
    (b"x-ratelimit-reset", b"17"),
]


def test_headers_on_chat_have_our_names_and_those_of_openai() -> None:
    """Resets of ours in whole seconds from now, rounded up; OpenAI's is a duration with its unit."""
    theirs = [
        (b"x-ratelimit-limit-requests", b"10"),
        (b"x-ratelimit-remaining-requests", b"7"),
        (b"x-ratelimit-reset-requests", b"17s"),
    ]
    assert sorted(limit_headers(STANDINGS, OpenAIChat.limit_headers, NOW)) == sorted(OURS + theirs)


def test_headers_on_messages_have_our_names_and_those_of_anthropic() -> None:
    """Anthropic's reset is an instant."""
    theirs = [
        (b"anthropic-ratelimit-requests-limit", b"10"),
        (b"anthropic-ratelimit-requests-remaining", b"7"),
        (b"anthropic-ratelimit-requests-reset", b"2026-11-23T00:00:17Z"),
    ]
    assert sorted(limit_headers(STANDINGS, AnthropicMessages.limit_headers, NOW)) == sorted(OURS + theirs)


def test_headers_when_an_account_has_no_limits_then_there_are_none() -> None:
    """No number is better than an invented one."""
    assert limit_headers([], OpenAIChat.limit_headers, NOW) == []
