"""The parent of several workers: carries out what `supervision` decides.

It holds no connection, no database and no event loop, so that hardly anything can go wrong with it: it forks, waits for
signals and for what its processes say, and starts again what ended. A process learns by the end of its pipe that the
parent is gone, and drains.
"""

import gc
import os
import selectors
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable, Iterable
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import NoReturn, cast

from freetheai_gateway.app.reload import changes, merge, needs_restart
from freetheai_gateway.app.serving import Announce, Explain, refused
from freetheai_gateway.app.workers.board import Board
from freetheai_gateway.app.workers.failed import NodeFailed
from freetheai_gateway.app.workers.line import Line
from freetheai_gateway.app.workers.mailboxes import Mailboxes, MailedSiblings, NodeState
from freetheai_gateway.app.workers.messages import (
    Adopt,
    CannotStart,
    Forget,
    Note,
    Order,
    Prepare,
    Prepared,
    Reloaded,
    ReloadWanted,
    Report,
    Started,
)
from freetheai_gateway.app.workers.messages import (
    Announce as AnnounceNow,
)
from freetheai_gateway.app.workers.models import States, has_models, run_keeper
from freetheai_gateway.app.workers.supervision import (
    FAILED,
    MODELS,
    Action,
    Finish,
    Kill,
    Patience,
    ReloadEnded,
    Restarting,
    Start,
    Step,
    Stop,
    Supervision,
    Tell,
)
from freetheai_gateway.app.workers.worker import Membership, run_worker
from freetheai_gateway.log import get_log
from freetheai_gateway.services.reloading import Mistake, ReloadOutcome
from freetheai_gateway.settings.defaults import listening_on
from freetheai_gateway.settings.problems import SettingsInvalid
from freetheai_gateway.settings.tree import Settings
from freetheai_gateway.web.edge.listener import bind

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)
DRAIN_GRACE_S = 10.0
"""What a worker may take beyond its drain, to cancel what is left and to write its records."""


class Supervisor:
    """Runs a node of `[server] workers` processes."""

    def __init__(
        self, settings: Settings, announce: Announce, read_again: Callable[[], Settings], explain: Explain
    ) -> None:
        workers = settings.server.workers
        server = settings.server
        patience = Patience(drain_s=server.shutdown_delay_s + server.drain_timeout_s + DRAIN_GRACE_S)
        self._settings = settings
        self._announce = announce
        self._read_again = read_again
        self._explain = explain
        self._core = Supervision(workers, patience, with_models=has_models(settings))
        self._log = get_log("supervisor")
        self._processes: dict[int, tuple[int, Connection[Order, Report]]] = {}
        self._selector = selectors.DefaultSelector()
        self._mailboxes = Mailboxes(range(1, workers + 1))
        self._node: Board[NodeState] = Board(NodeState, NodeState())
        self._models: Board[States] = Board(States, {})
        self._lost = 0
        self._complaint: CannotStart | None = None
        self._read: Settings | None = None
        self._asked: list[tuple[int, int]] = []
        """Who waits for the outcome of the reload on its way: slot and number."""
        self._is_signalled = False
        """Whether a signal asked for it."""
        self._exit_code: int | None = None

    def run(self) -> int:
        """Run the node to its end; returns the exit code.

        Raises `CannotListen` where the port is taken, and `NodeFailed` where a worker can't start.
        """
        placeholder = self._take_port()
        woken, waker = socket.socketpair()
        woken.setblocking(False)
        waker.setblocking(False)
        self._selector.register(woken, selectors.EVENT_READ)
        for number in SIGNALS:
            signal.signal(number, _noted)
        signal.set_wakeup_fd(waker.fileno(), warn_on_full_buffer=False)
        gc.collect()
        gc.freeze()  # what is shared with the workers stays shared
        try:
            self._carry_out(self._core.begin(time.monotonic()))
            while self._exit_code is None:
                self._wait(woken)
        finally:
            signal.set_wakeup_fd(-1)
            for end in (woken, waker, placeholder, self._selector, self._mailboxes):
                end.close()
        if self._exit_code and self._complaint is not None:
            raise NodeFailed(self._complaint.code, self._complaint.sentence)
        return self._exit_code

    def _take_port(self) -> socket.socket:
        """Make sure that nobody else listens there, and keep the port for the workers, also when none lives."""
        server = self._settings.server
        own = bind(server.host, server.port)  # fails where another gateway would share the port
        port = own.getsockname()[1]
        own.close()
        self._settings = listening_on(self._settings, port=port)
        return bind(server.host, port, shared=True)

    # --- what happens ---

    def _wait(self, woken: socket.socket) -> None:
        """Sleep until something happens, and have it decided."""
        due_at = self._core.next_at()
        timeout_s = None if due_at is None else max(0.0, due_at - time.monotonic())
        ready = self._selector.select(timeout_s)
        for key, _ in ready:
            if key.fileobj is not woken:
                self._hear(cast("int", key.data))
        if any(key.fileobj is woken for key, _ in ready):
            for number in woken.recv(4096):
                self._on_signal(number)
        self._carry_out(self._core.tick(time.monotonic()))

    def _on_signal(self, number: int) -> None:
        now = time.monotonic()
        if number == signal.SIGCHLD:
            self._reap()
        elif number == signal.SIGHUP:
            self._reload(dry_run=False, asked=None)
        else:
            self._carry_out(self._core.stop(now))

    def _reap(self) -> None:
        for slot, (pid, _) in list(self._processes.items()):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                self._hear(slot)  # its last words
                self._processes.pop(slot)[1].close()
                code = os.waitstatus_to_exitcode(status)
                self._log.info("process_ended", process=_name(slot), pid=pid, code=code)
                self._carry_out(self._core.ended(slot, code, time.monotonic()))

    def _hear(self, slot: int) -> None:
        """Take in everything that a process has said."""
        if slot not in self._processes:
            return
        connection = self._processes[slot][1]
        try:
            while connection.poll():
                self._on_report(slot, connection.recv())
        except (EOFError, OSError):
            if connection in {key.fileobj for key in self._selector.get_map().values()}:
                self._selector.unregister(connection)

    def _on_report(self, slot: int, report: Report) -> None:
        match report:
            case Started():
                self._carry_out(self._core.started(slot, time.monotonic()))
            case CannotStart() if report != self._complaint:
                self._complaint = report
                if self._core.is_open:
                    self._log.error("worker_cannot_start", process=_name(slot), reason=report.sentence)
            case Prepared(agrees):
                self._carry_out(self._core.answered(slot, agrees=agrees))
            case ReloadWanted(number, dry_run):
                self._reload(dry_run=dry_run, asked=(slot, number))

    # --- reloads ---

    def _reload(self, *, dry_run: bool, asked: tuple[int, int] | None) -> None:
        """Read the configuration; a bad one goes no further, a good one is offered to all workers."""
        try:
            read = listening_on(self._read_again(), port=self._settings.server.port)
        except SettingsInvalid as invalid:
            self._answer([asked], refused(invalid, quietly=dry_run))
            return
        if dry_run:
            self._answer([asked], self._compare(read))
            return
        self._read = read
        if asked is not None:
            self._asked.append(asked)
        else:
            self._is_signalled = True
        self._carry_out(self._core.want_reload(time.monotonic()))

    def _compare(self, read: Settings) -> ReloadOutcome:
        running = self._settings
        return ReloadOutcome(changed=changes(running, merge(running, read)), needs_restart=needs_restart(running, read))

    def _end_reload(self, refused_by: tuple[int, ...]) -> None:
        assert self._read is not None
        outcome = self._compare(self._read)
        if refused_by:
            sentence = f"could not be taken over by {', '.join(_name(slot) for slot in refused_by)}; nothing changed"
            outcome = ReloadOutcome(mistakes=[Mistake("", sentence)])
            self._log.error("reload_refused", where="", line=None, message=sentence, hint="see the log of the worker")
        else:
            for place in outcome.needs_restart:
                self._log.warning("not_reloaded", where=place, hint="restart the gateway to change it")
            self._settings = merge(self._settings, self._read)
            self._log.info("reloaded", **outcome.changed)
            if self._is_signalled:
                for slot in self._core.living[:1]:
                    self._send(slot, Note(outcome))
            if has_models(self._settings):
                self._carry_out(self._core.with_models(time.monotonic()))
        self._is_signalled = False
        asked, self._asked = self._asked, []
        self._answer(asked, outcome)

    def _answer(self, asked: Iterable[tuple[int, int] | None], outcome: ReloadOutcome) -> None:
        for one in asked:
            if one is not None:
                self._send(one[0], Reloaded(one[1], outcome))

    # --- what is done ---

    def _carry_out(self, actions: Iterable[Action]) -> None:
        for action in actions:
            match action:
                case Start(slot):
                    self._start(slot)
                case Stop(slot):
                    self._signal(slot, signal.SIGTERM)
                case Kill(slot):
                    self._log.error("process_killed", process=_name(slot))
                    self._signal(slot, signal.SIGKILL)
                case Tell(slot, step):
                    self._tell(slot, step)
                case Restarting(slot, delay_s):
                    self._lost += slot != MODELS
                    self._log.error("process_restarting", process=_name(slot), delay_s=delay_s)
                case ReloadEnded(refused_by):
                    self._end_reload(refused_by)
                case Finish(code):
                    self._exit_code = code
        self._node.write(NodeState(tuple(self._core.living), self._lost))

    def _signal(self, slot: int, number: signal.Signals) -> None:
        if slot in self._processes:
            os.kill(self._processes[slot][0], number)  # it is ours and not reaped: the id can't be another's

    def _tell(self, slot: int, step: Step) -> None:
        match step:
            case Step.ANNOUNCE:
                self._complaint = None
                self._send(slot, AnnounceNow())
            case Step.PREPARE:
                assert self._read is not None
                self._send(slot, Prepare(merge(self._settings, self._read)))
            case Step.ADOPT:
                self._send(slot, Adopt())
            case Step.FORGET:
                self._send(slot, Forget())

    def _send(self, slot: int, order: Order) -> None:
        if slot not in self._processes:
            return
        try:
            self._processes[slot][1].send(order)
        except OSError as error:
            self._log.error("order_not_taken", process=_name(slot), error=type(error).__name__)

    def _start(self, slot: int) -> None:
        ours, theirs = Pipe()
        pid = os.fork()
        if pid == 0:
            ours.close()
            self._become(slot, theirs)
        theirs.close()
        self._processes[slot] = (pid, ours)
        self._selector.register(ours, selectors.EVENT_READ, slot)

    # --- in the new process ---

    def _become(self, slot: int, connection: "Connection[Report, Order]") -> NoReturn:
        """Be a worker, or the keeper of the models, and nothing else of what the parent was; never returns."""
        code = FAILED
        try:
            self._leave_parent()
            self._live(slot, Line(connection))
            code = 0
        except BaseException as error:  # noqa: BLE001 - the end of the process: it is told, and nothing may go on
            code = self._say_why(error, Line(connection))
        finally:
            for stream in (sys.stdout, sys.stderr):
                stream.flush()
            os._exit(code)

    def _leave_parent(self) -> None:
        signal.set_wakeup_fd(-1)
        for number in SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)  # until the server can reload
        os.setsid()  # Ctrl-C reaches the parent alone, which tells the workers to drain
        self._selector.close()
        for _, other in self._processes.values():
            other.close()  # else a worker would not notice that the parent is gone while another one lives

    def _live(self, slot: int, line: Line) -> None:
        if slot == MODELS:
            run_keeper(self._settings, line, self._models)
        else:
            siblings = MailedSiblings(slot, self._mailboxes, self._node)
            run_worker(self._settings, Membership(line, siblings, self._models, self._announce))

    def _say_why(self, error: BaseException, line: Line) -> int:
        known = self._explain(error)
        if known is None:
            traceback.print_exception(error)
            known = FAILED, f"Error: a worker ended by {type(error).__name__}; see above."
        line.tell(CannotStart(*known))
        return known[0]


def _noted(_number: int, _frame: object) -> None:
    """Exist: the wake-up descriptor tells of signals that have a handler."""


def _name(slot: int) -> str:
    return "models" if slot == MODELS else f"worker-{slot}"
