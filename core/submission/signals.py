"""Sends signals to tasks (P19): a guarded change on its own connection, its commit, then a notice to Redis."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import orjson
import uuid_utils
from pydantic import BaseModel

from taskyard.core.errors import IllegalTransition, SubmissionError, TaskNotFound
from taskyard.core.i18n import msg
from taskyard.core.models import Waiting
from taskyard.core.payload.culprits import refused
from taskyard.core.payload.encode import encode_input, encode_json
from taskyard.core.postgres.database import Database, DriverTransaction
from taskyard.core.postgres.store import locks, signals, suspension
from taskyard.core.postgres.store.signals import SIGNAL, Target
from taskyard.core.signal_limits import MAX_SIGNALS
from taskyard.core.states import TERMINAL, TaskState
from taskyard.core.submission.queue_notifier import QueueNotifier
from taskyard.core.submission.signal_fit import first_misfit
from taskyard.core.submission.signal_names import check_name, check_signal_id
from taskyard.core.submission.task_ids import check_task_id

DATA_LIMIT_BYTES = 1 << 20  # of all signals of a task, where no other limit is set


class SignalSender:
    """Sends signals, thread-safe; `actor` and `reason` are kept in the task's history."""

    def __init__(self, database: Database, notifier: QueueNotifier, data_limit_bytes: int = DATA_LIMIT_BYTES) -> None:
        self._database = database
        self._notifier = notifier
        self._data_limit_bytes = data_limit_bytes

    def send_signal(
        self,
        task_id: str,
        name: str,
        data: Any = None,
        *,
        actor: str,
        signal_id: str | None = None,
        reason: str = "",
        kind: str = SIGNAL,
    ) -> bool:
        """Sends a signal with JSON-able `data` (or a model) to an unfinished task; returns False if it has it already.

        It wakes the task if that waits for a signal by this name, and is kept for later otherwise. A signal by the
        same name and `signal_id` as an earlier one is ignored. Raises SubmissionError for invalid arguments, data that
        do not fit what the task waits for, or too many signals; TaskNotFound, IllegalTransition, Unavailable.
        """
        id_, name_ = check_task_id(task_id), check_name(name)
        own_id = str(uuid_utils.uuid7()) if signal_id is None else check_signal_id(signal_id)
        text = _text_of(data, self._data_limit_bytes)
        with self._transaction() as tx:
            woken = store_signal(tx, id_, name_, own_id, text, actor, reason, kind, self._data_limit_bytes)
        if woken:
            self._notifier.push(woken)
        return woken is not None

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[DriverTransaction]:
        """Opens one transaction; a Busy names the likely lock holder."""
        with locks.naming_holders(self._database), self._database.transaction() as tx:
            yield tx


def store_signal(
    tx: DriverTransaction,
    task_id: str,
    name: str,
    signal_id: str,
    data: str,
    actor: str,
    reason: str,
    kind: str,
    limit_bytes: int,
) -> list[Waiting] | None:
    """Stores a signal under its task's lock; returns the task if that wakes it, and None if the signal is known."""
    target = signals.lock_task(tx, task_id)
    if target is None:
        raise TaskNotFound(task_id)
    if signals.is_known(tx, task_id, name, signal_id):
        return None
    if target.state in TERMINAL:
        raise IllegalTransition(task_id, TaskState(target.state), msg("only unfinished tasks take signals"))
    is_awaited = _is_awaited(target, name)
    if is_awaited:
        _check_fit(target, data)
    _check_room(tx, task_id, data, limit_bytes)
    signals.add(tx, task_id, name, signal_id, data, actor, kind=kind, reason=reason)
    return suspension.wake(tx, [task_id], actor) if is_awaited else []


def _is_awaited(target: Target, name: str) -> bool:
    waits = target.suspension or {}
    return target.state == TaskState.SUSPENDED and waits.get("kind") == "signal" and waits.get("name") == name


def _check_fit(target: Target, data: str) -> None:
    problem = first_misfit((target.suspension or {}).get("schema") or {}, orjson.loads(data))
    if problem is not None:
        field, reason, value = problem
        raise refused(field, value, msg("what the task waits for: {reason}", reason=reason))


def _check_room(tx: DriverTransaction, task_id: str, data: str, limit_bytes: int) -> None:
    count, size = signals.taken(tx, task_id)
    if count >= MAX_SIGNALS:
        raise refused("task", task_id, msg("a task with fewer than {limit} signals", limit=MAX_SIGNALS))
    if size + len(data.encode()) > limit_bytes:
        expected = msg("data of all signals of the task of at most {limit} bytes together", limit=limit_bytes)
        raise SubmissionError("data", orjson.loads(data), expected)


def _text_of(data: Any, limit_bytes: int) -> str:
    if isinstance(data, BaseModel):
        return encode_input(type(data), data, limit_bytes)
    return encode_json("data", data, limit_bytes).decode()
