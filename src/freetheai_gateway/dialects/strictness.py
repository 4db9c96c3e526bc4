"""Whether a JSON Schema may be sent as `strict`: the vendor refuses one whose objects are open or have options."""

from freetheai_gateway.jsonc import InvalidJSON, Raw, decode_any


def fits_strict(schema: Raw) -> bool:
    """Check every object: `additionalProperties` is false and every property is required."""
    try:
        pending: list[object] = [decode_any(schema)]
    except InvalidJSON:
        return False
    while pending:
        value = pending.pop()
        if isinstance(value, list):
            pending += value
        elif isinstance(value, dict):
            if not _is_closed(value):
                return False
            pending += value.values()
    return True


def _is_closed(schema: dict[str, object]) -> bool:
    properties, required = schema.get("properties"), schema.get("required")
    if not isinstance(properties, dict):
        return schema.get("type") != "object" or schema.get("additionalProperties") is False
    return (
        schema.get("additionalProperties") is False
        and isinstance(required, list)
        and all(name in required for name in properties)
    )
