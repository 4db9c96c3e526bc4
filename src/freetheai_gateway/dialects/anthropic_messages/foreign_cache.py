"""Cache breakpoints of a request that came in another dialect: no more than the API takes."""

from collections.abc import Iterator

from freetheai_gateway.dialects.anthropic_messages.write_blocks import Block

MAX_BREAKPOINTS = 4
"""Source: Anthropic documentation, "Prompt caching"."""

_MARK = "cache_control"


def limit_breakpoints(body: Block, dropped: set[str]) -> None:
    """Take marks out of the body beyond the limit: the first stays (what never changes), and so do the last ones."""
    marked = [block for name in ("tools", "system", "messages") for block in _blocks(body.get(name)) if _MARK in block]
    for block in marked[1 : len(marked) - MAX_BREAKPOINTS + 1]:
        del block[_MARK]
        dropped.add(_MARK)


def _blocks(value: object) -> Iterator[Block]:
    """Give blocks in their order, those within others too."""
    for block in value if isinstance(value, list) else ():
        if isinstance(block, dict):
            yield from _blocks(block.get("content"))
            yield block
