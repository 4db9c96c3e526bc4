"""What only the garbage collector can free: objects that know each other in a circle.

A process that serves streams collects seldom, as a full collection stalls every one of them. What a request leaves in a
circle then stays for minutes, and memory grows by the requests that fail.
"""

import gc
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

OURS = ("freetheai_gateway.", "httptools.")


@contextmanager
def watched() -> Iterator[Callable[[], Counter[str]]]:
    """Collect nothing meanwhile; what is given counts what was left in circles, by class: ours, and exceptions.

    Only what is made meanwhile is looked at: what other tests have left is none of this one's, and it is a lot.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    gc.freeze()
    try:
        yield _left
    finally:
        gc.unfreeze()
        gc.set_debug(0)
        gc.garbage.clear()
        if was_enabled:
            gc.enable()


def _left() -> Counter[str]:
    gc.set_debug(gc.DEBUG_SAVEALL)
    gc.collect()
    gc.set_debug(0)
    left = Counter(_name(found) for found in gc.garbage if _counts(found))
    gc.garbage.clear()
    return left


def _counts(found: object) -> bool:
    return isinstance(found, BaseException) or type(found).__module__.startswith(OURS)


def _name(found: object) -> str:
    return f"{type(found).__module__}.{type(found).__qualname__}"
