"""The table of `docs/images.md`, written from what every cell did: `make docs` puts it into the page again."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.images.table import FORMS, FURTHER, MODELS, ROUTES, Cell, cells, requests_by_kind, upstream_of

PAGE = Path(__file__).parents[2] / "docs" / "images.md"
FIRST, LAST = "<!-- every way in: written by make docs -->\n", "<!-- end of every way in -->"


def rendered(found: list[Cell]) -> str:
    """Render the table, the reasons, and the requests."""
    heads = [f"{route}: {form}" for route in ROUTES for form in FORMS]
    rows = [[f"`{model}`", *(_verdict(cell) for cell in found if cell.model == model)] for model in MODELS]
    table = "\n".join(f"| {' | '.join(row)} |" for row in [["model", *heads], ["---"] * (1 + len(heads)), *rows])
    return f"\n{table}\n\n{_legend()}\n\n{''.join(_requests(found))}\n"


def put_into(text: str, found: list[Cell]) -> str:
    """Replace what stands between the marks of the page."""
    before, begun, rest = text.partition(FIRST)
    _, ended, after = rest.partition(LAST)
    if not begun or not ended:
        raise ValueError("the page has no marks for the table")
    return f"{before}{begun}{rendered(found)}{LAST}{after}"


def _verdict(cell: Cell) -> str:
    if cell.refusal:
        return cell.refusal.replace("400 route_not_supported", "no ¹")
    if cell.form != "streamed":
        return "yes"
    return "yes" if any(event.endswith("partial_image") for event in cell.events) else "yes ²"


def _legend() -> str:
    others = "".join(f"- `{model}`: {upstream_of(model)}\n" for model in FURTHER)
    return (
        "¹ Impossible: the catalogue offers this model for generation only, as the specification does. The answer is\n"
        "400 `route_not_supported` and names the models that edit; nothing goes upstream.\n"
        "² The provider's API has no partial pictures: the stream holds signs of life, then the completed event.\n\n"
        f"The last rows are models that a configuration may add:\n\n{others}"
    )


def _requests(found: list[Cell]) -> Iterator[str]:
    """Show what went upstream, once for all cells for which it was the same."""
    yield "What went upstream, in the order of the calls (`BASE64` and `PNG` stand for the picture that was sent in):\n"
    for model in MODELS:
        for names, upstream in requests_by_kind(found, model):
            lines = "\n".join(upstream)
            yield f"\n`{model}`, {names}:\n\n```text\n{lines}\n```\n"


async def _found() -> list[Cell]:
    with TemporaryDirectory() as folder:
        return await cells(Path(folder))


if __name__ == "__main__":
    PAGE.write_text(put_into(PAGE.read_text(), asyncio.run(_found())))
