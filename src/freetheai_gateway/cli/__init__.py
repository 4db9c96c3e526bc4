"""The command `freetheai`: parses, calls the services and prints. No logic of its own.

    commands    every command and group, put together
    options     options that several commands share
    session     settings and store of one command, opened and closed
    output      tables, JSON objects, messages
    failures    what goes wrong, as one sentence and an exit code

Modules are imported by the commands that need them: `--help` and `serve` must start fast.
"""

import gc
import sys

_OBJECTS_UNTIL_COLLECTED = 100_000
"""A start makes hundreds of thousands of objects that stay: to look for garbage among them takes a tenth of it."""
INTERRUPTED = 130
"""The exit code after Ctrl-C: 128 + SIGINT, as shells have it."""


def main() -> None:
    """Run the command line and exit: 0 done, 1 failed, 2 wrong usage or configuration."""
    gc.set_threshold(_OBJECTS_UNTIL_COLLECTED)
    try:
        from freetheai_gateway.cli.commands import run

        code = run(sys.argv[1:])
    except KeyboardInterrupt:
        code = INTERRUPTED
    sys.exit(code)
