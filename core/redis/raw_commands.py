"""Sends Redis commands of the hot paths on redis-py's connections, without its client's layers.

A script cost 28 µs of CPU without the client and 67 µs through it (redis-py 8.0, hiredis, Unix socket), and a task on
its way takes six commands. `core.redis.direct` leaves out the layers of the connection, too.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from redis import exceptions
from redis.exceptions import NoScriptError, ResponseError

if TYPE_CHECKING:
    from redis.connection import ConnectionPool


class RawCommands:
    """Uses as many connections as threads run commands at a time; they belong to `pool`, which closes them.

    `answer_seconds` is how long a server may take to connect and to answer, if not as long as the pool says.
    """

    def __init__(self, pool: ConnectionPool, answer_seconds: float | None = None) -> None:
        self._pool = pool
        self._answer_seconds = answer_seconds
        self._idle: list[Any] = []  # the last one returned is used first; append and pop are atomic
        self._process = os.getpid()
        self._owing: dict[Any, list[Callable[[], object]]] = {}  # what repeats the commands whose answers are unread

    def is_ready(self) -> bool:
        """Returns True if the next command need not connect first, as far as is known."""
        try:
            return self._process == os.getpid() and bool(self._idle[-1].is_connected)
        except IndexError:
            return False

    def command(self, *words: Any) -> Any:
        """Sends one command and returns its raw answer; raises redis-py's errors. Never sends it twice."""
        connection = self._take()
        try:
            connection.tell(words)
            answer = connection.answer()
        except ResponseError:  # the connection is unchanged, or was dropped (core.redis.connection)
            self._idle.append(connection)
            raise
        except BaseException:
            connection.disconnect()  # an unread answer must not be taken for that of the next command
            self._idle.append(connection)
            raise
        self._idle.append(connection)
        return answer

    def begin(self, *words: Any) -> Pending:
        """Sends one command, whose answer is read later; raises redis-py's errors."""
        connection = self._take()
        try:
            connection.tell(words)
        except BaseException:
            connection.disconnect()
            self._idle.append(connection)
            raise
        return Pending(connection, self._idle)

    def send(self, words: Sequence[Any], repeat: Callable[[], object]) -> None:
        """Sends one command and does not wait for its answer, which is read before the connection's next command.

        If the answer is an error then, or the connection broke, `repeat` runs, which must not raise; after a timeout
        that next command fails, since the server hangs. Raises redis-py's errors.
        """
        self.send_all([(words, repeat)])

    def send_all(self, commands: Iterable[tuple[Sequence[Any], Callable[[], object]]]) -> None:
        """Sends commands with their `repeat`s one after the other; see `send`."""
        connection = self._take()
        if not connection.is_connected:
            self._idle.append(connection)
            for _, repeat in commands:
                repeat()  # the first command on a connection meets everything that may be wrong with the server
            return
        owing = []
        try:
            for words, repeat in commands:
                connection.tell(words)
                owing.append(repeat)
            self._owing[connection] = owing
        except BaseException:
            connection.disconnect()
            raise
        finally:
            self._idle.append(connection)

    def _take(self) -> Any:
        if self._process != os.getpid():  # forked: the connections are the parent's
            self._idle, self._owing, self._process = [], {}, os.getpid()
        try:
            connection = self._idle.pop()
        except IndexError:
            return self._made()
        failed = [repeat for repeat in self._owing.pop(connection, ()) if not self._is_answered(connection)]
        if failed:
            self._idle.append(connection)
            for repeat in failed:
                repeat()
            return self._take()
        if connection.is_outdated or connection.is_spoiled():
            connection.disconnect()  # it connects anew: the server closed it while it was idle, or changed its role
        return connection

    def _made(self) -> Any:
        connection: Any = self._pool.make_connection()
        if self._answer_seconds is not None:
            connection.socket_timeout = connection.socket_connect_timeout = self._answer_seconds
        return connection

    def _is_answered(self, connection: Any) -> bool:
        """Reads an answer that a connection owes; returns False if its command has to be repeated.

        Raises redis-py's TimeoutError.
        """
        if not connection.is_connected:
            return False  # an earlier answer did not come
        try:
            connection.answer()
        except ResponseError:
            return False
        except exceptions.TimeoutError:
            connection.disconnect()
            self._idle.append(connection)
            raise
        except (exceptions.ConnectionError, OSError):
            connection.disconnect()
            return False
        except BaseException:
            connection.disconnect()
            self._idle.append(connection)
            raise
        return True


class Pending:
    """A command that was sent. Its connection is in use until the answer is read, or nobody wants it any more."""

    __slots__ = ("_connection", "_idle")

    def __init__(self, connection: Any, idle: list[Any]) -> None:
        self._connection, self._idle = connection, idle

    def answer(self) -> Any:
        """Waits for the answer; raises redis-py's errors. To be called once."""
        try:
            return self._connection.answer()
        except ResponseError:
            raise
        except BaseException:
            self._connection.disconnect()
            raise
        finally:
            self._idle.append(self._connection)

    def abandon(self) -> None:
        """Does without the answer."""
        self._connection.disconnect()
        self._idle.append(self._connection)


class Script:
    """A Lua script run by its digest, and sent once if the server does not know it."""

    def __init__(self, raw_commands: RawCommands, text: str) -> None:
        self._raw_commands = raw_commands
        self.text = text
        self._digest = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()

    def send(self, keys: Sequence[str], args: Sequence[Any], repeat: Callable[[], object]) -> None:
        """Sends the script to be run, without waiting for its end: see RawCommands.send."""
        self.send_all([(keys, args, repeat)])

    def send_all(self, calls: Iterable[tuple[Sequence[str], Sequence[Any], Callable[[], object]]]) -> None:
        """Sends the script for each of these keys, arguments and `repeat`s: see RawCommands.send_all."""
        self._raw_commands.send_all(
            (("EVALSHA", self._digest, len(keys), *keys, *args), repeat) for keys, args, repeat in calls
        )

    def begin(self, keys: Sequence[str], args: Sequence[Any]) -> Pending:
        """Sends the script to be run; its answer is read later, and is an error if the server does not know it."""
        return self._raw_commands.begin("EVALSHA", self._digest, len(keys), *keys, *args)

    def __call__(self, keys: Sequence[str], args: Sequence[Any] = ()) -> Any:
        """Runs the script; raises redis-py's errors."""
        try:
            return self._raw_commands.command("EVALSHA", self._digest, len(keys), *keys, *args)
        except NoScriptError:
            return self._raw_commands.command("EVAL", self.text, len(keys), *keys, *args)
