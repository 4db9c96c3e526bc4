"""The fields of a query, within bounds."""

from urllib.parse import parse_qsl

from freetheai_gateway.errors import InvalidRequest

MAX_FIELDS = 20
MAX_PAGE_FIELDS = 40
"""Of a page: its filter sends a field for every box that is ticked."""


def read_fields(query: bytes, max_fields: int = MAX_FIELDS) -> dict[str, str]:
    """Read `application/x-www-form-urlencoded` text; of a field that stands twice the last counts.

    Raises `InvalidRequest` for more than `max_fields`.
    """
    try:
        pairs = parse_qsl(query.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=max_fields)
    except ValueError:
        raise InvalidRequest(f"The query has more than {max_fields} fields.") from None
    return dict(pairs)
