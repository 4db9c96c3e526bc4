"""The fields of an address or a form, within bounds."""

from urllib.parse import parse_qsl

from freetheai_gateway.errors import InvalidRequest

MAX_FIELDS = 40


def read_fields(encoded: bytes) -> dict[str, str]:
    """Read `application/x-www-form-urlencoded` text; of a field that stands twice the last counts.

    Raises `InvalidRequest` for more than `MAX_FIELDS`.
    """
    try:
        pairs = parse_qsl(encoded.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=MAX_FIELDS)
    except ValueError:
        raise InvalidRequest(f"There are more than {MAX_FIELDS} fields.") from None
    return dict(pairs)
