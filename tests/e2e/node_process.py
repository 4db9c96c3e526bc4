"""A node of several workers as the command line starts it, but each worker counts the limits alone."""

import asyncio
import sys
from pathlib import Path

from freetheai_gateway.app.gateway import Gateway
from freetheai_gateway.app.welcome import headline
from freetheai_gateway.app.workers.supervisor import Supervisor
from freetheai_gateway.cli.failures import exit_code, explained
from freetheai_gateway.log import configure
from freetheai_gateway.settings.load import load
from freetheai_gateway.settings.tree import Settings


async def _announce(gateway: Gateway) -> None:
    await asyncio.to_thread(print, headline(gateway), flush=True)


def _read(config: Path) -> Settings:
    return load(config, {"TEST_UPSTREAM_KEY": "upstream-secret-1"}).settings


def main(config: Path) -> int:
    """Run it to its end."""
    settings = _read(config)
    configure(settings.log.level, settings.log.format)
    try:
        return Supervisor(settings, _announce, lambda: _read(config), explained).run()
    except Exception as error:  # noqa: BLE001 - as the command line does: what nobody expected is raised again
        return exit_code(error)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[sys.argv.index("--config") + 1])))
