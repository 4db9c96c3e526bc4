"""Fail where a module or a function has outgrown its reader, and show the longest of each.

A module over 600 lines or a function over 60 fails, unless it stands in `EXCEPTIONS` with a reason. The table is
there to shrink.
"""

import ast
import sys
from pathlib import Path

MODULE_LINES = 600
FUNCTION_LINES = 60
SHOWN = 5

EXCEPTIONS: dict[str, str] = {}
"""`path` or `path:function` -> why it may be longer."""


def main() -> int:
    """Measure everything; returns the exit code."""
    modules: list[tuple[int, str]] = []
    functions: list[tuple[int, str]] = []
    for root in ("src", "tests", "tools"):
        for path in sorted(Path(root).rglob("*.py")):
            text = path.read_text()
            modules.append((text.count("\n"), str(path)))
            functions += [
                ((node.end_lineno or node.lineno) - node.lineno + 1, f"{path}:{node.name}")
                for node in ast.walk(ast.parse(text))
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            ]
    too_long = _report("modules", modules, MODULE_LINES) + _report("functions", functions, FUNCTION_LINES)
    for name in too_long:
        print(f"too long: {name}", file=sys.stderr)
    return 1 if too_long else 0


def _report(label: str, sizes: list[tuple[int, str]], cap: int) -> list[str]:
    longest = sorted(sizes, reverse=True)[:SHOWN]
    print(f"longest {label} (cap {cap}): " + ", ".join(f"{name} {lines}" for lines, name in longest))
    return [f"{name}: {lines} lines" for lines, name in sizes if lines > cap and name not in EXCEPTIONS]


if __name__ == "__main__":
    sys.exit(main())
