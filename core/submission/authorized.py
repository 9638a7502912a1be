"""Operations as somebody who may not do all of them: each is checked against who acts, and notes them.

What leads to the execution of code that a task brings is submitting it and having it run once more, of one task or
of many. The check is made for each task at the moment it is changed: no filter, list or file leads around it.
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
    """A submitter's operations as one actor does them; all raise NotPermitted beside what the submitter raises."""

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
        """See `Submitter.submit_many`; nothing is stored if one of them may not be."""
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
        """Operations on many tasks under the same check, which is made of each batch before it is changed."""
        return Bulk(self._database, _AuthorizedCommands(self._submitter.commands, self))

    def runs_code(self, type_: object) -> bool:
        """Whether tasks of a type may run code of their own; one that is not known here may."""
        known = self._registry.types.get(type_) if isinstance(type_, str) else None
        return known is None or known.runs_code

    def check_retried(self, task_ids: Sequence[str]) -> None:
        """Raises NotPermitted if one of these tasks may not be run once more by this actor."""
        if self.actor.may(Permission.CODE_SUBMIT):
            return
        with self._database.transaction() as tx:
            types = {task.type for task in tasks.tasks_of(tx, check_task_ids(task_ids))}
        self.check_types(types)

    def check_types(self, types: Iterable[object]) -> None:
        """Raises NotPermitted if tasks of one of these types may not be run by this actor."""
        for type_ in types:
            if self.runs_code(type_):
                self.actor.require_code(str(type_))

    def _check_submitted(self, types: Iterable[object]) -> None:
        """The same of what is submitted: a type that is not known is refused by name anyway."""
        self.check_types(type_ for type_ in types if isinstance(type_, str) and type_ in self._registry.types)


class _AuthorizedCommands(ManyTaskCommands):
    """ManyTaskCommands that check before they have tasks run once more."""

    def __init__(self, commands: ManyTaskCommands, permitted: Authorized) -> None:
        # the connections are the other's
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
