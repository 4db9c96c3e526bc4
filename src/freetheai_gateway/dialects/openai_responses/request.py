"""Responses requests in the raw lane.

Beside the model, three things change: `store` is always `false` (nothing is kept at a vendor under the operator's
account), quirks are applied, and reasoning items that no upstream of this dialect could read are left out: what
other vendors signed, and items of which the client has nothing but the id.
"""

import re

from freetheai_gateway.dialects.openai_responses.fields import read_entry, read_list, take_str
from freetheai_gateway.dialects.openai_responses.read_request import require_input, require_stateless
from freetheai_gateway.dialects.openai_responses.reasoning import read_minted
from freetheai_gateway.dialects.protocol import RawRequest
from freetheai_gateway.dialects.raw_fields import read_flag, read_model, read_object
from freetheai_gateway.domain.pools import Quirks
from freetheai_gateway.jsonc import Raw, encode_raw, write_fields

_CAP = "max_output_tokens"
_REASONING = re.compile(rb'"type"\s*:\s*"reasoning"')
_FALSE = Raw(b"false")
_EMPTY = frozenset({b"", b"null", b"[]"})


def parse_request(body: bytes) -> RawRequest:
    """Read a request body; raises `InvalidRequest`."""
    fields = read_object(body)
    model = read_model(fields)
    require_stateless(fields)
    require_input(fields)
    return RawRequest(fields=fields, model=model, streamed=read_flag(fields, "stream"), usage_asked=True)


def render_request(
    request: RawRequest, upstream_model: str, quirks: Quirks, default_output_tokens: int | None
) -> bytes:
    """Render for the upstream; all else as it came."""
    fields: dict[str, object] = dict(request.fields)
    fields["model"] = upstream_model
    fields["store"] = _FALSE
    value = request.fields.get("input")
    if value is not None and _REASONING.search(bytes(value)):
        fields["input"] = _replayable(value)
    cap = request.fields.get(_CAP)
    if default_output_tokens is not None and (cap is None or bytes(cap) == b"null"):
        fields[_CAP] = default_output_tokens
    if quirks.max_tokens_field and quirks.max_tokens_field != _CAP and _CAP in fields:
        fields.setdefault(quirks.max_tokens_field, fields.pop(_CAP))
    for name in quirks.drop:
        fields.pop(name, None)
    return write_fields(fields)


def _replayable(value: Raw) -> Raw:
    """Leave out reasoning that no upstream could read; the same bytes where there is none."""
    items = read_list(value)
    if items is None:
        return value
    kept = [item for item in items if _is_replayable(item)]
    return encode_raw(kept) if len(kept) < len(items) else value


def _is_replayable(item: Raw) -> bool:
    if _REASONING.search(bytes(item)) is None:
        return True
    fields = read_entry(item)
    if fields is None or take_str(fields, "type") != "reasoning":
        return True
    encrypted = take_str(fields, "encrypted_content")
    if encrypted:
        return read_minted(encrypted) is None
    return bytes(fields.get("content", b"")) not in _EMPTY
