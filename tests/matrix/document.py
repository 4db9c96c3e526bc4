"""The tables of `docs/dialects.md`, written from the tables that the matrix tests.

`python -m tests.matrix.document` puts them into the page again.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

from freetheai_gateway import jsonc
from tests.matrix.features import FEATURES
from tests.matrix.limits import CHAT, CLIENTS, LIMITS, MESSAGES, RESPONSES, SHORT, UPSTREAMS, Limit
from tests.matrix.option import Dropped, Ignored, Outcome, Rejected, To
from tests.matrix.options import OPTIONS

PAGE = Path(__file__).parents[2] / "docs" / "dialects.md"
_LONGEST_EXAMPLE = 13
NAMES = {CHAT: "Chat Completions", MESSAGES: "Messages", RESPONSES: "Responses", "gemini": "Gemini"}


def tables() -> dict[str, str]:
    """Render every table by the name of its marks in the page."""
    made = {"features": _features(), "limits": _limits()}
    return made | {f"options {SHORT[client]}": _options(client) for client in CLIENTS}


def put_into(text: str) -> str:
    """Replace what stands between the marks."""
    for name, table in tables().items():
        first, last = f"<!-- {name} -->\n", f"<!-- end of {name} -->"
        before, found, rest = text.partition(first)
        _, ended, after = rest.partition(last)
        if not found or not ended:
            raise ValueError(f"the page has no marks for {name}")
        text = f"{before}{first}{table}{last}{after}"
    return text


def _features() -> str:
    return _table(["feature", *NAMES.values()], ([name, *words] for name, words in FEATURES.items()))


def _limits() -> str:
    rows = ([limit.scenario, *_where(limit), limit.verdict.value, limit.what, limit.because] for limit in LIMITS)
    return _table(["feature", "client", "upstream", "is", "what", "impossible because"], rows)


def _options(client: str) -> str:
    others = [upstream for upstream in UPSTREAMS if upstream != client]
    rows = (
        [option.label, *(_cell(option.outcomes[upstream]) for upstream in others)]
        for option in OPTIONS
        if option.client == client and option.label != "`tomorrow`"
    )
    return _table([f"{NAMES[client]} client", *(NAMES[upstream] for upstream in others)], rows)


def _cell(outcome: Outcome) -> str:
    match outcome:
        case To(path=path, value=value):
            place = f"`{'.'.join(step for step in path.split('.') if not step.isdigit())}`"
            example = jsonc.encode(value).decode()
            return f"{place} `{example}`" if len(example) <= _LONGEST_EXAMPLE else place
        case Dropped():
            return "dropped"
        case Ignored():
            return "left out"
        case Rejected():
            return "400"


def _where(limit: Limit) -> tuple[str, str]:
    return _named(limit.clients, CLIENTS), _named(limit.upstreams, UPSTREAMS)


def _named(dialects: Sequence[str], all_of_them: Sequence[str]) -> str:
    return "all" if tuple(dialects) == tuple(all_of_them) else ", ".join(SHORT[one] for one in dialects)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


if __name__ == "__main__":
    PAGE.write_text(put_into(PAGE.read_text()))
