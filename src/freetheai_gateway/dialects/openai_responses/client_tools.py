"""How the caller knows its tools: by namespace and name, and some of them as taking free text."""

from collections.abc import Iterable

from freetheai_gateway.dialects.tool_names import flat_name
from freetheai_gateway.domain.conversation import Tool, ToolKind, VendorTool
from freetheai_gateway.domain.events import ToolCallStarted


class ClientTools:
    """Finds the caller's tool that a call is meant for."""

    __slots__ = ("_by_flat_name", "_by_name")

    def __init__(self, tools: Iterable[Tool | VendorTool]) -> None:
        self._by_flat_name: dict[str, Tool] = {}
        self._by_name: dict[str, Tool | None] = {}
        for tool in tools:
            if isinstance(tool, Tool):
                self._by_flat_name.setdefault(flat_name(tool.name, tool.namespace), tool)
                self._by_name[tool.name] = None if tool.name in self._by_name else tool

    def find(self, call: ToolCallStarted) -> Tool | None:
        """Find by namespace and name, else by a name that only one tool has; `None` for a tool nobody offered."""
        return self._by_flat_name.get(flat_name(call.name, call.namespace)) or self._by_name.get(call.name)

    def takes_text(self, call: ToolCallStarted) -> bool:
        """Whether the caller's tool is a custom one."""
        tool = self.find(call)
        return call.kind is ToolKind.CUSTOM or (tool is not None and tool.kind is ToolKind.CUSTOM)
