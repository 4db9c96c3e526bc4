"""Which tool result answers which call, in a history whose ids may be missing or given twice."""

from collections.abc import Callable
from dataclasses import dataclass

from freetheai_gateway.domain.conversation import ToolKind


@dataclass(frozen=True, slots=True)
class _OpenCall:
    given: str
    id: str
    name: str
    kind: ToolKind


class CallIds:
    """Gives every call an id that is not empty and unique within its turn, and finds it again for the result."""

    def __init__(self) -> None:
        self._open: list[_OpenCall] = []
        self._taken: set[str] = set()
        self._minted = 0

    def begin_turn(self) -> None:
        """Forget the calls of the turn before: ids may come again."""
        self._open.clear()
        self._taken.clear()

    def call(self, given: str, name: str, kind: ToolKind) -> str:
        """Note a call and give its id."""
        call_id = given or self._mint()
        while call_id in self._taken:
            call_id = f"{given}_{self._mint()}"
        self._taken.add(call_id)
        self._open.append(_OpenCall(given, call_id, name, kind))
        return call_id

    def result(self, given: str) -> tuple[str, ToolKind]:
        """Find the call that a result answers; a result without an id answers the first open one."""
        return self._close(lambda call: not given or call.given == given) or (given or self._mint(), ToolKind.FUNCTION)

    def result_of(self, name: str) -> str:
        """Find the call that a legacy `function` message answers."""
        found = self._close(lambda call: call.name == name)
        return found[0] if found else self._mint()

    def _close(self, answers: Callable[[_OpenCall], bool]) -> tuple[str, ToolKind] | None:
        for place, call in enumerate(self._open):
            if answers(call):
                del self._open[place]
                return call.id, call.kind
        return None

    def _mint(self) -> str:
        self._minted += 1
        return f"call_{self._minted}"
