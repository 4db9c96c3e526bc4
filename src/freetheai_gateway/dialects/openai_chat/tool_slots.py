"""Tool calls of a stream: which piece belongs to which call, whatever the server makes of index and id.

Documented: every piece has an `index`; the first one of a call has its id and name, all may have arguments. Seen:
no index; one index for several calls; an id or a name on every piece, on none, empty, or late; a new id on every
piece; several calls whole in one piece.
"""

from dataclasses import dataclass, field
from hashlib import sha256

from freetheai_gateway.dialects.openai_chat.json_end import JsonEnd
from freetheai_gateway.dialects.protocol import MalformedReply
from freetheai_gateway.domain.conversation import ToolKind

MAX_CALLS = 512
MAX_HELD_CHARACTERS = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Piece:
    """What one delta says of a call; empty strings for what it does not say."""

    index: int | None
    id: str
    name: str
    arguments: str
    kind: ToolKind = ToolKind.FUNCTION
    signature: str | None = None


@dataclass(slots=True)
class Slot:
    """One call."""

    ordinal: int
    id: str = ""
    name: str = ""
    kind: ToolKind = ToolKind.FUNCTION
    signature: str | None = None
    end: JsonEnd = field(default_factory=JsonEnd)
    held: list[str] = field(default_factory=list)
    """Arguments that were not given out yet."""

    def add(self, piece: Piece) -> None:
        """Take a piece; the first id and the first name that are not empty count."""
        self.id = self.id or piece.id
        if piece.name and not self.name:
            self.name, self.kind = piece.name, piece.kind
        self.signature = self.signature or piece.signature
        if piece.arguments and not self._says_none(piece):
            self.end.feed(piece.arguments)
            self.held.append(piece.arguments)

    def _says_none(self, piece: Piece) -> bool:
        """Whether arguments are none at all: `null` as text, where an object should begin."""
        return piece.arguments.strip() == "null" and not self.end.begun and self.kind is ToolKind.FUNCTION

    def take(self) -> str:
        """Give the held arguments out."""
        text = "".join(self.held)
        self.held.clear()
        return text


class ToolSlots:
    """All calls of a reply in the order in which they began."""

    def __init__(self) -> None:
        self.slots: list[Slot] = []
        self._by_index: dict[int, Slot] = {}
        self._ids: set[str] = set()
        self._by_id: dict[str, Slot] = {}
        self._held_characters = 0

    def add(self, pieces: list[Piece]) -> None:
        """Take the pieces of one delta. Raises `MalformedReply` where they are too many or too long."""
        touched: set[int] = set()
        for piece in pieces:
            slot = self._slot_of(piece, touched)
            touched.add(slot.ordinal)
            slot.add(piece)
            if piece.id:
                self._by_id.setdefault(piece.id, slot)
            if slot.ordinal:  # the first is given out as it comes
                self._held_characters += len(piece.arguments)
        if self._held_characters > MAX_HELD_CHARACTERS:
            raise MalformedReply("the held-back tool calls are too long")

    def id_of(self, slot: Slot, seed: str) -> str:
        """Give the id of a call: the server's own, made unique within the reply, else one that follows from `seed`."""
        call_id = slot.id or f"call_{_digest(f'{seed}:{slot.ordinal}')}"
        while call_id in self._ids:
            call_id = f"{slot.id}_{slot.ordinal}" if call_id == slot.id else f"call_{_digest(f'{seed}:{call_id}')}"
        self._ids.add(call_id)
        return call_id

    def _slot_of(self, piece: Piece, touched: set[int]) -> Slot:
        if piece.index is None:
            return self._without_index(piece, touched)
        slot = self._by_index.get(piece.index)
        if slot is None and not piece.name:
            slot = self._by_id.get(piece.id)  # the index moved on, the call did not
        if slot is None or _begins_another(slot, piece):
            slot = self._new()
        self._by_index[piece.index] = slot
        return slot

    def _without_index(self, piece: Piece, touched: set[int]) -> Slot:
        last = self.slots[-1] if self.slots else None
        if piece.id:
            known = self._by_id.get(piece.id)
            if known is not None and not (piece.name and known.ordinal in touched):
                return known
            if last is not None and not last.id and not piece.name and not last.end.reached:
                return last
            return self._new()
        if last is None:
            return self._new()
        if piece.name and last.name and (last.ordinal in touched or _begins_another(last, piece)):
            return self._new()
        return last

    def _new(self) -> Slot:
        if len(self.slots) >= MAX_CALLS:
            raise MalformedReply("the reply has too many tool calls")
        slot = Slot(len(self.slots))
        self.slots.append(slot)
        return slot


def _begins_another(slot: Slot, piece: Piece) -> bool:
    """Whether a piece at the place of a call is the beginning of another one.

    A different id says so, unless it comes without a name while the arguments are not complete: then the server makes
    up an id for every piece. Without an id, a name after complete or no arguments says so, if it is another one or if
    a new object of arguments follows.
    """
    if piece.id and slot.id:
        return piece.id != slot.id and bool(piece.name or slot.end.reached)
    if not piece.name or not slot.name or piece.id:
        return False
    if piece.name != slot.name:
        return slot.end.reached or not slot.end.begun
    return slot.end.reached and piece.arguments.lstrip().startswith("{")


def _digest(seed: str) -> str:
    return sha256(seed.encode(errors="replace")).hexdigest()[:24]
