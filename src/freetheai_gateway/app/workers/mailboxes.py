"""How the workers of one node ask each other: every worker has a mailbox, and everyone may put a question into it.

A question is a datagram with the kind of the report, and the end of a fresh pair of sockets that goes with it; the
answer is what comes back over that pair until it is closed. The mailboxes are made before the first fork and have no
name in any file system: nobody but the node's own processes can ask, nothing is left behind by a crash, and a worker
that is started again finds its mailbox as it was.
"""

import asyncio
import socket
from collections.abc import Callable, Iterable, Sequence

import msgspec

from freetheai_gateway.app.workers.board import Board
from freetheai_gateway.log import get_log

ANSWER_S = 1.0
"""How long an answer may take; the answer to everybody's question then lacks this worker."""
MOST_ANSWER_BYTES = 64 * 1024 * 1024
_MOST_QUESTION_BYTES = 64


class NodeState(msgspec.Struct, frozen=True):
    """What the parent knows: which workers serve, and how many were lost so far."""

    living: tuple[int, ...] = ()
    lost: int = 0


class Mailboxes:
    """The mailboxes of all workers; made by the parent, inherited by every process."""

    def __init__(self, slots: Iterable[int]) -> None:
        pairs = {slot: socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM) for slot in slots}
        for ends in pairs.values():
            for end in ends:
                end.setblocking(False)
        self.inbox = {slot: ends[0] for slot, ends in pairs.items()}
        self.outbox = {slot: ends[1] for slot, ends in pairs.items()}

    def close(self) -> None:
        """Close all ends."""
        for end in (*self.inbox.values(), *self.outbox.values()):
            end.close()


class MailedSiblings:
    """Implements `services.reports.Siblings` for the worker in one slot."""

    def __init__(self, slot: int, mailboxes: Mailboxes, node: Board[NodeState], *, answer_s: float = ANSWER_S) -> None:
        self._slot = slot
        self._answer_s = answer_s
        self._mailboxes = mailboxes
        self._node = node
        self._log = get_log("siblings")

    @property
    def lost(self) -> int:
        """How many workers of the node ended when they should not have."""
        return self._node.read().lost

    async def ask(self, kind: str) -> Sequence[bytes | None]:
        """Ask every other worker that serves; `None` stands for one that did not answer in time."""
        others = [slot for slot in self._node.read().living if slot != self._slot]
        return await asyncio.gather(*(self._ask(slot, kind) for slot in others))

    async def serve(self, answer: Callable[[str], bytes]) -> None:
        """Answer the others' questions until cancelled; `answer` raises `KeyError` for a kind that it does not know."""
        inbox = self._mailboxes.inbox[self._slot]
        loop = asyncio.get_running_loop()
        asked = asyncio.Event()
        loop.add_reader(inbox.fileno(), asked.set)
        try:
            while True:
                await asked.wait()
                asked.clear()
                await self._answer_all(inbox, answer)
        finally:
            loop.remove_reader(inbox.fileno())

    async def _ask(self, slot: int, kind: str) -> bytes | None:
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                socket.send_fds(self._mailboxes.outbox[slot], [kind.encode()], [theirs.fileno()])
            async with asyncio.timeout(self._answer_s):
                return await _read_all(ours) or None
        except (OSError, TimeoutError) as error:
            self._log.warning("worker_silent", worker=slot, report=kind, error=type(error).__name__)
            return None
        finally:
            ours.close()

    async def _answer_all(self, inbox: socket.socket, answer: Callable[[str], bytes]) -> None:
        while True:
            try:
                question, descriptors, _, _ = socket.recv_fds(inbox, _MOST_QUESTION_BYTES, 1)
            except BlockingIOError:
                return
            for descriptor in descriptors:
                with socket.socket(fileno=descriptor) as way_back:
                    await self._send(way_back, answer(question.decode("ascii")))

    async def _send(self, way_back: socket.socket, body: bytes) -> None:
        way_back.setblocking(False)
        try:
            async with asyncio.timeout(self._answer_s):
                await asyncio.get_running_loop().sock_sendall(way_back, body)
        except (OSError, TimeoutError) as error:
            self._log.debug("answer_not_taken", error=type(error).__name__)


async def _read_all(connection: socket.socket) -> bytes:
    connection.setblocking(False)
    loop = asyncio.get_running_loop()
    parts = bytearray()
    while part := await loop.sock_recv(connection, 256 * 1024):
        parts += part
        if len(parts) > MOST_ANSWER_BYTES:
            raise OSError("the answer does not end")
    return bytes(parts)
