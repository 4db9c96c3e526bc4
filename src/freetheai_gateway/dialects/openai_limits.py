"""The limit headers that OpenAI's SDKs document, the same on every one of its routes."""

from freetheai_gateway.dialects.protocol import LimitHeaderNames

OPENAI_LIMIT_HEADERS = LimitHeaderNames(
    limit=b"x-ratelimit-limit-requests",
    remaining=b"x-ratelimit-remaining-requests",
    reset=b"x-ratelimit-reset-requests",
    reset_is_timestamp=False,
)
