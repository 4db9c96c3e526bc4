"""How many unknown keys one address may try: each costs a look-up in the database, and guessing must not be free."""

from collections.abc import Callable

from freetheai_gateway.clock import Clock
from freetheai_gateway.errors import LimitExceeded, whole_seconds
from freetheai_gateway.services.ports import RefusalCounter

Sender = Callable[[], str]
"""Names the address of whoever sent a request; asked only when it matters."""


class UnknownKeyBudget:
    """Blocks the look-ups of an address that brought too many unknown keys; keys that are known are not touched."""

    def __init__(self, counter: RefusalCounter, clock: Clock) -> None:
        self._counter = counter
        self._clock = clock

    def check(self, sender: str) -> None:
        """Raise `LimitExceeded` where nothing of this address is looked up for now."""
        wait_s = self._counter.blocked(sender, self._clock.monotonic())
        if wait_s is not None:
            raise LimitExceeded(
                f"Too many unknown API keys came from your address; try again in {whole_seconds(wait_s)} s.",
                code="unknown_keys",
                retry_after_s=wait_s,
            )

    def count(self, sender: str) -> None:
        """Count a key that the database does not know."""
        self._counter.count(sender, self._clock.monotonic())
