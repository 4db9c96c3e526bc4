"""Searching the catalogue as a person does: words, filters, order and pages, all of it in the address."""

import pytest

from freetheai_gateway.domain.catalogue import Model, ModelKind
from freetheai_gateway.services.catalogue_search import PAGE_SIZE, CatalogueRows, Query, read_query
from freetheai_gateway.services.catalogue_view import Viewer
from freetheai_gateway.testing.offers import REGULAR, STARTER, make_offer

STRANGER = Viewer(STARTER, authenticated=False)
MEMBER = Viewer(REGULAR, authenticated=True)


def model(model_id: str, **changed: object) -> Model:
    values: dict[str, object] = {"kind": ModelKind.CHAT, "name": model_id.upper(), "tier_level": 1, "family": "Core"}
    return Model(id=model_id, upstreams=(), **{**values, **changed})  # type: ignore[arg-type]


ROWS = CatalogueRows(
    make_offer(
        model("glm/glm-5.1", context_window=200_000, features=("tools",), created=30),
        model("glm/glm-4", context_window=8_000, description="An older one", created=10),
        model("vhr/flux", kind=ModelKind.IMAGE, tier_level=3, features=("generate",), created=20),
        model("rev/claude", inputs=("text", "image"), context_window=1_000_000, retired=True),
    ),
    lambda _dialect, _provider: True,
)


def found(query: Query, viewer: Viewer = STRANGER) -> list[str]:
    return [row.model.id for row in ROWS.search(query, viewer).rows]


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        (Query(), ["glm/glm-5.1", "glm/glm-4", "vhr/flux", "rev/claude"]),
        (Query(q="GLM 5"), ["glm/glm-5.1"]),
        (Query(q="older"), ["glm/glm-4"]),
        (Query(q="nothing has this"), []),
        (Query(prefix="glm"), ["glm/glm-5.1", "glm/glm-4"]),
        (Query(kind="image"), ["vhr/flux"]),
        (Query(feature="tools"), ["glm/glm-5.1"]),
        (Query(input="image"), ["rev/claude"]),
        (Query(context=128_000), ["glm/glm-5.1", "rev/claude"]),
        (Query(tier=1), ["glm/glm-5.1", "glm/glm-4", "rev/claude"]),
        (Query(sort="context"), ["rev/claude", "glm/glm-5.1", "glm/glm-4", "vhr/flux"]),
        (Query(sort="newest"), ["glm/glm-5.1", "vhr/flux", "glm/glm-4", "rev/claude"]),
        (Query(sort="tier"), ["glm/glm-4", "glm/glm-5.1", "rev/claude", "vhr/flux"]),
        (Query(sort="name", kind="chat"), ["glm/glm-4", "glm/glm-5.1", "rev/claude"]),
    ],
)
def test_search_when_asked_then_it_finds_what_fits_in_the_order_asked_for(query: Query, ids: list[str]) -> None:
    assert found(query) == ids


def test_search_when_only_available_models_are_wanted_then_what_the_viewer_cannot_call_is_left_out() -> None:
    """These models have no upstream: nothing is available, whatever the tier."""
    assert found(Query(available=True), MEMBER) == []


def test_choices_name_every_value_with_its_count() -> None:
    assert ROWS.choices.prefixes == {"glm": 2, "rev": 1, "vhr": 1}
    assert ROWS.choices.kinds == {"chat": 3, "image": 1}
    assert ROWS.choices.features == {"generate": 1, "tools": 1}


@pytest.mark.parametrize(
    ("fields", "query"),
    [
        ({}, Query()),
        ({"q": "  glm ", "page": "2", "available": "1"}, Query(q="glm", page=2, available=True)),
        ({"sort": "drop table", "page": "-1", "context": "1e9", "tier": "²"}, Query()),
        ({"page": "99999999999999999999"}, Query()),
        ({"q": "x" * 1000}, Query(q="x" * 100)),
    ],
)
def test_query_when_read_from_an_address_then_what_makes_no_sense_is_left_out(
    fields: dict[str, str], query: Query
) -> None:
    assert read_query(fields) == query


def test_address_when_a_filter_changes_then_it_begins_at_the_first_page() -> None:
    """Only what differs from the default stands in it."""
    query = Query(q="a b", available=True, page=3)
    assert query.address(page=4) == "q=a+b&available=1&page=4"
    assert query.address(kind="chat") == "q=a+b&kind=chat&available=1"
    assert Query().address() == ""


def test_page_when_past_the_end_then_it_is_the_last_one() -> None:
    rows = CatalogueRows(make_offer(*(model(f"a/{n}") for n in range(PAGE_SIZE + 3))), lambda *_: True)
    last = rows.search(Query(page=9), STRANGER)
    assert (last.page, last.pages, last.total, len(last.rows)) == (2, 2, PAGE_SIZE + 3, 3)
