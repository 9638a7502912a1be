"""Checks and records each operation against the permissions of the user who performs it.

Code that a task brings runs when the task is submitted or retried, alone or in bulk. The check is made for each task
at the moment it is changed, so no filter, list or file bypasses it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from taskyard.core.access.identity import Actor, Permission
from taskyard.core.postgres.database import Database
from taskyard.core.postgres.store import tasks
from taskyard.core.submission.bulk import Bulk
from taskyard.core.submission.commands import ManyTaskCommands, check_task_ids
from taskyard.core.submission.submit import Submitter
from taskyard.core.task_types.registry import Registry


class Authorized:
    """A submitter's operations on behalf of one actor. All raise NotPermitted in addition to the submitter's errors."""

    def __init__(self, submitter: Submitter, registry: Registry, database: Database, actor: Actor) -> None:
        self._submitter = submitter
        self._registry = registry
        self._database = database
        self.actor = actor

    def submit(self, type: str, input: Any, **options: Any) -> str:
        """See `Submitter.submit`."""
        self._check_submitted([type])
        return self._submitter.submit(type, input, **{**options, "created_by": self.actor.name})

    def submit_many(self, submissions: Sequence[Mapping[str, Any]]) -> list[str]:
        """See `Submitter.submit_many`; nothing is stored if one of them is not permitted."""
        self._check_submitted(one.get("type") for one in submissions)
        return self._submitter.submit_many([{**one, "created_by": self.actor.name} for one in submissions])

    def retry(self, task_id: str, reason: str) -> None:
        """See `Submitter.retry`."""
        self.check_retried([task_id])
        self._submitter.retry(task_id, actor=self.actor.name, reason=reason)

    def cancel(self, task_id: str, reason: str) -> None:
        """See `Submitter.cancel`."""
        self._submitter.cancel(task_id, actor=self.actor.name, reason=reason)

    def cancel_tree(self, task_id: str, reason: str) -> int:
        """See `ManyTaskCommands.cancel_tree`."""
        return self._submitter.commands.cancel_tree(task_id, actor=self.actor.name, reason=reason)

    def reprioritise(self, task_id: str, priority: str, reason: str) -> None:
        """See `Submitter.reprioritise`."""
        self._submitter.reprioritise(task_id, priority, actor=self.actor.name, reason=reason)

    def bulk(self) -> Bulk:
        """Returns operations on many tasks with the same check, made for each batch before it is changed."""
        return Bulk(self._database, _AuthorizedCommands(self._submitter.commands, self))

    def runs_code(self, type_: object) -> bool:
        """Returns True if tasks of a type may run code of their own; an unknown type may."""
        known = self._registry.types.get(type_) if isinstance(type_, str) else None
        return known is None or known.runs_code

    def check_retried(self, task_ids: Sequence[str]) -> None:
        """Raises NotPermitted if this actor may not retry one of these tasks."""
        if self.actor.may(Permission.CODE_SUBMIT):
            return
        with self._database.transaction() as tx:
            types = {task.type for task in tasks.tasks_of(tx, check_task_ids(task_ids))}
        self.check_types(types)

    def check_types(self, types: Iterable[object]) -> None:
        """Raises NotPermitted if this actor may not run tasks of one of these types."""
        for type_ in types:
            if self.runs_code(type_):
                self.actor.require_code(str(type_))

    def _check_submitted(self, types: Iterable[object]) -> None:
        """Checks submitted types alike; an unknown type is refused by name elsewhere."""
        self.check_types(type_ for type_ in types if isinstance(type_, str) and type_ in self._registry.types)


class _AuthorizedCommands(ManyTaskCommands):
    """ManyTaskCommands that check permissions before a retry."""

    def __init__(self, commands: ManyTaskCommands, permitted: Authorized) -> None:
        # the wrapped object owns the connections
        self.__dict__.update(commands.__dict__)
        self._permitted = permitted

    def retry_many(self, task_ids: Sequence[str], *, actor: str, reason: str) -> int:
        """See `ManyTaskCommands.retry_many`; raises NotPermitted."""
        self._permitted.check_retried(task_ids)
        return super().retry_many(task_ids, actor=actor, reason=reason)

    def retry(self, task_id: str, *, actor: str, reason: str = "") -> None:
        """See `ManyTaskCommands.retry`; raises NotPermitted."""
        self._permitted.check_retried([task_id])
        super().retry(task_id, actor=actor, reason=reason)
