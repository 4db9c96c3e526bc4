"""Chat Completions requests in the raw lane."""

from freetheai_gateway.dialects.protocol import RawRequest
from freetheai_gateway.dialects.raw_fields import read_flag, read_model, read_object, require_list
from freetheai_gateway.domain.pools import Quirks
from freetheai_gateway.jsonc import Raw, encode_raw, read_fields, write_fields

_OUTPUT_CAPS = ("max_completion_tokens", "max_tokens")


def parse_request(body: bytes) -> RawRequest:
    """Read a request body; raises `InvalidRequest` for what would never be a chat request."""
    fields = read_object(body)
    model = read_model(fields)
    require_list(fields, "messages")
    streamed = read_flag(fields, "stream")
    return RawRequest(fields=fields, model=model, streamed=streamed, usage_asked=streamed and _usage_asked(fields))


def render_request(
    request: RawRequest, upstream_model: str, quirks: Quirks, default_output_tokens: int | None
) -> bytes:
    """Render for the upstream: other model, usage asked for in streams, quirks applied; all else as it came."""
    fields: dict[str, object] = dict(request.fields)
    fields["model"] = upstream_model
    if request.streamed:
        fields["stream_options"] = _with_usage(request.fields.get("stream_options"))
    if default_output_tokens is not None and not any(_is_set(request.fields, cap) for cap in _OUTPUT_CAPS):
        fields["max_tokens"] = default_output_tokens
    if quirks.max_tokens_field:
        _rename_output_cap(fields, quirks.max_tokens_field)
    for name in quirks.drop:
        fields.pop(name, None)
    return write_fields(fields)


def _is_set(fields: dict[str, Raw], name: str) -> bool:
    value = fields.get(name)
    return value is not None and bytes(value) != b"null"


def _rename_output_cap(fields: dict[str, object], wanted: str) -> None:
    for name in _OUTPUT_CAPS:
        if name != wanted and name in fields:
            value = fields.pop(name)
            fields.setdefault(wanted, value)


def _usage_asked(fields: dict[str, Raw]) -> bool:
    options = _options(fields.get("stream_options"))
    return options is not None and bytes(options.get("include_usage", b"")) == b"true"


def _with_usage(options: Raw | None) -> Raw:
    known = _options(options)
    if known is None:
        return Raw(b'{"include_usage":true}')
    return encode_raw(known | {"include_usage": True})


def _options(options: Raw | None) -> dict[str, Raw] | None:
    """Split `stream_options`; anything but an object counts as absent, as it does for the upstreams."""
    if options is None or not bytes(options).startswith(b"{"):
        return None
    return read_fields(bytes(options))
