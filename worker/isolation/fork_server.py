"""Runs the process between an agent and the children of its slots.

An agent has many threads, so it must not fork, and a new interpreter with everything imported takes a few hundred
milliseconds. The fork server has one thread and imports the light modules once; a child forked from it is ready in
a few milliseconds. It is also the parent and subreaper of all of them: it alone reaps, so a process id stays valid
until it is killed, and it adopts what a dead child leaves behind. When its agent ends, in whatever way, it reads
the end of its socket and kills all.

Protocol: one request at a time on a socket pair; a letter and a process id, answered by a number.
"""

from __future__ import annotations

import contextlib
import errno
import gc
import importlib
import json
import logging
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
import uuid
from collections.abc import Sequence

from taskyard.core.private_files import keep_files_private
from taskyard.core.task_types.registry import BUILTIN_MODULES
from taskyard.worker.isolation.process_tree import kill_children, kill_marked, set_subreaper

CLOSE_SECONDS = 10.0
logger = logging.getLogger(__name__)
MARK = "TASKYARD_FORK_SERVER"  # in the environment of all that a fork server starts
FORK, STOP = b"F", b"S"
DESCRIPTORS = 4  # of a fork: the connection, the crash file, standard output and error
UNKNOWN_STATUS = -1
_REQUEST = struct.Struct("=cI")
_ANSWER = struct.Struct("=q")


class ForkServerLost(Exception):
    """Raised if the fork server has ended; everything below it is dead or dying."""


class ForkServer:
    """An agent's handle on its fork server. Methods are thread-safe."""

    def __init__(self, modules: Sequence[str], output_limit_bytes: int) -> None:
        """Starts it. Raises OSError without a free descriptor or process."""
        self._lock = threading.Lock()
        self._closed = False
        self._socket, other_end = socket.socketpair()
        self._socket.settimeout(None)  # whatever default a task has set
        paths = [os.path.abspath(path) for path in sys.path]
        program = f"import sys; sys.path[:] = {paths!r}; from taskyard.worker.isolation.fork_server import main; main()"
        self._mark = uuid.uuid4().hex
        arguments = json.dumps([os.getpid(), other_end.fileno(), list(modules), output_limit_bytes])
        with other_end, contextlib.ExitStack() as opened:
            opened.enter_context(self._socket)
            # A session of its own: neither Ctrl-C nor a signal to the agent's group reaches a handler.
            self._process = subprocess.Popen(
                [sys.executable, "-c", program, arguments],
                pass_fds=[other_end.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=sys.__stderr__.fileno() if sys.__stderr__ else subprocess.DEVNULL,
                start_new_session=True,
                env=os.environ | {MARK: self._mark},
            )
            opened.pop_all()  # closed by `close`

    def is_alive(self) -> bool:
        """Returns True if its process runs."""
        return self._process.poll() is None

    def fork(self, connection: socket.socket, crash_file: int, output: int, errors: int) -> int:
        """Starts a child that talks over `connection`; returns its process id. Raises ForkServerLost, or OSError.

        `crash_file` is a descriptor for the stacks that a fatal signal leaves, `output` and `errors` become its
        standard streams.
        """
        pid = self._ask(FORK, 0, [connection.fileno(), crash_file, output, errors])
        if pid < 0:
            raise OSError(-pid, f"no process can be forked: {os.strerror(-pid)}")
        return pid

    def stop(self, pid: int) -> int:
        """Kills and reaps a child and all its descendants; returns its wait status. Raises ForkServerLost.

        The status is the child's own if it was dead already, and UNKNOWN_STATUS if it can't be read.
        """
        return self._ask(STOP, pid)

    def close(self) -> None:
        """Ends the fork server, which kills everything below it first."""
        with self._lock:
            self._closed = True
            self._socket.close()
        try:
            self._process.wait(CLOSE_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
        if self._process.wait() != 0:
            try:
                kill_marked(f"{MARK}={self._mark}")  # it could not clean up by itself
            except OSError as error:  # no descriptor is left for the search; the rest dies with its parents
                logger.warning("handlers' processes can't be found: %s", error)

    def _ask(self, request: bytes, pid: int, descriptors: Sequence[int] = ()) -> int:
        with self._lock:
            if self._closed:
                raise ForkServerLost("the fork server was closed")
            try:
                socket.send_fds(self._socket, [_REQUEST.pack(request, pid)], descriptors)
                answer = self._socket.recv(_ANSWER.size, socket.MSG_WAITALL)
            except OSError as error:
                raise ForkServerLost(f"the fork server has ended: {error}") from error
        if len(answer) < _ANSWER.size:
            raise ForkServerLost("the fork server has ended")
        return int(_ANSWER.unpack(answer)[0])


def main() -> None:
    """Runs the fork server's own program; its only argument is JSON: agent, descriptor, modules, output limit."""
    keep_files_private()
    agent_pid, descriptor, modules, output_limit_bytes = json.loads(sys.argv[1])
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _ignore)  # the agent decides when tasks end; SIG_IGN would be inherited by exec
    set_subreaper(True)
    # Modules of the user may start threads or open connections, which no fork survives: a child imports them.
    for module in BUILTIN_MODULES:
        importlib.import_module(module)
    gc.freeze()
    with socket.socket(fileno=descriptor) as connection:
        connection.settimeout(None)
        _serve(connection, agent_pid, modules, output_limit_bytes)
    kill_children()


def _serve(connection: socket.socket, agent_pid: int, modules: list[str], output_limit_bytes: int) -> None:
    """Answers requests until the agent has ended."""
    children: set[int] = set()
    poll = select.poll()
    poll.register(connection, select.POLLIN)
    # A process that a handler forked in the agent keeps the socket open, so the socket's end is no sign.
    with contextlib.suppress(AttributeError, OSError):  # macOS, Linux before 5.3: the socket's end has to do
        poll.register(os.pidfd_open(agent_pid), select.POLLIN)
    while os.getppid() == agent_pid and connection.fileno() in dict(poll.poll()):
        data, descriptors, _, _ = socket.recv_fds(connection, _REQUEST.size, DESCRIPTORS, socket.MSG_WAITALL)
        if len(data) < _REQUEST.size:
            break
        for number in descriptors:
            os.set_inheritable(number, False)
        request, pid = _REQUEST.unpack(data)
        if request == FORK:
            answer = _fork(connection, descriptors, modules, output_limit_bytes)
            if answer > 0:
                children.add(answer)
            for number in descriptors:
                os.close(number)
        else:
            children.discard(pid)
            answer = kill_children(spare=children).get(pid, UNKNOWN_STATUS)
        connection.sendall(_ANSWER.pack(answer))


def _fork(connection: socket.socket, descriptors: list[int], modules: list[str], output_limit_bytes: int) -> int:
    """Returns the process id of a new child, or the system's error number, negative, if it can't be started."""
    from taskyard.worker.isolation import slot_child

    if len(descriptors) < DESCRIPTORS:  # the kernel drops descriptors beyond the limit
        return -errno.EMFILE
    fork_server_pid = os.getpid()
    try:
        pid = os.fork()
    except OSError as error:
        return -(error.errno or errno.EAGAIN)
    except MemoryError:
        return -errno.ENOMEM
    if pid == 0:
        connection.close()
        talk, crash_file, output, errors = descriptors[:DESCRIPTORS]
        slot_child.main(fork_server_pid, talk, crash_file, output, errors, modules, output_limit_bytes)
    return pid


def _ignore(number: int, frame: object) -> None:
    """Stands for SIG_IGN, but is reset in programs that a handler starts."""
