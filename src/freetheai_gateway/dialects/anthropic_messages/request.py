"""Messages requests in the raw lane."""

from freetheai_gateway.dialects.anthropic_messages.foreign_signatures import without_foreign_reasoning
from freetheai_gateway.dialects.protocol import RawRequest
from freetheai_gateway.dialects.raw_fields import read_flag, read_model, read_object, require_list
from freetheai_gateway.domain.pools import Quirks
from freetheai_gateway.jsonc import write_fields

FALLBACK_OUTPUT_TOKENS = 4096
"""Sent where neither the client nor the catalogue names a cap: upstreams require `max_tokens`."""

MOST_FILLED_IN_TOKENS = 32_000
"""The most that is filled in where the catalogue knows what the model can: clients of other dialects who name no cap
mean to the end of the answer, and Claude Code names this one itself."""


def filled_in_tokens(default_output_tokens: int | None, max_output_tokens: int | None) -> int:
    """Decide `max_tokens` for a request that names none."""
    if default_output_tokens is not None:
        return default_output_tokens
    return min(max_output_tokens or FALLBACK_OUTPUT_TOKENS, MOST_FILLED_IN_TOKENS)


def parse_request(body: bytes) -> RawRequest:
    """Read a request body; raises `InvalidRequest`."""
    fields = read_object(body)
    model = read_model(fields)
    require_list(fields, "messages")
    return RawRequest(fields=fields, model=model, streamed=read_flag(fields, "stream"), usage_asked=True)


def render_request(
    request: RawRequest, upstream_model: str, quirks: Quirks, default_output_tokens: int | None
) -> bytes:
    """Render for the upstream: other model, `max_tokens` filled in, quirks applied; all else as it came.

    But for reasoning that another vendor's model gave earlier in the conversation.
    """
    fields: dict[str, object] = dict(request.fields)
    fields["model"] = upstream_model
    fields["messages"] = without_foreign_reasoning(request.fields["messages"])
    if "max_tokens" not in fields:
        fields["max_tokens"] = filled_in_tokens(default_output_tokens, None)
    for name in quirks.drop:
        fields.pop(name, None)
    return write_fields(fields)
