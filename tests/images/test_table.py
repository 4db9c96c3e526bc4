"""Every image model by every route in every form, and `docs/images.md`, which says what this shows."""

from pathlib import Path

import pytest

from tests.images.document import PAGE, put_into
from tests.images.table import EDITS, FORMS, GENERATIONS, MODELS, ROUTES, SKETCH, SPECIFIED, Cell, cells

EDITORS = {"img/gpt-image-2", *set(MODELS) - set(SPECIFIED)}
STREAMERS = {"img/gpt-image-2", "vhr/gpt_image_2", SKETCH}


@pytest.fixture
async def found(tmp_path: Path) -> list[Cell]:
    return await cells(tmp_path)


async def test_cells_when_all_are_run_then_each_gives_a_picture_or_is_impossible_with_its_reason(
    found: list[Cell],
) -> None:
    """Generation works everywhere; editing where the specification says so."""
    assert [(cell.model, cell.route, cell.form) for cell in found] == [
        (model, route, form) for model in MODELS for route in ROUTES for form in FORMS
    ]
    refused = {(cell.model, cell.route, cell.refusal) for cell in found if cell.refusal}
    assert refused == {(model, EDITS, "400 route_not_supported") for model in MODELS if model not in EDITORS}
    assert all(cell.upstream == () for cell in found if cell.refusal or cell.model == SKETCH)
    assert all(cell.upstream for cell in found if not cell.refusal and cell.model != SKETCH)


async def test_streams_when_a_provider_has_partial_pictures_then_they_come_before_the_last_event(
    found: list[Cell],
) -> None:
    """Of the others only the last event comes."""
    for cell in found:
        if cell.form == "streamed" and not cell.refusal:
            stem = "image_generation" if cell.route == GENERATIONS else "image_edit"
            partial = (f"{stem}.partial_image",) if cell.model in STREAMERS else ()
            assert cell.events == (*partial, f"{stem}.completed"), cell


async def test_page_when_compared_with_what_the_cells_did_then_it_is_fresh(found: list[Cell]) -> None:
    """`make docs` writes it."""
    text = PAGE.read_text()
    assert put_into(text, found) == text
