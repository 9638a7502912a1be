"""Checks operations on several tasks against the permissions of the user who performs them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from taskyard.core.edges import RetryScope
from taskyard.core.submission.commands import ManyTaskCommands
from taskyard.core.submission.retries import Kinds


class Permitted(Protocol):
    """Checks what somebody may do to tasks; each raises NotPermitted."""

    def check_operated(self, task_ids: Sequence[str]) -> None: ...

    def check_retried(self, task_ids: Sequence[str]) -> None: ...

    def check_kinds(self, kinds: Kinds) -> None: ...


class AuthorizedCommands(ManyTaskCommands):
    """ManyTaskCommands that check permissions first."""

    def __init__(self, commands: ManyTaskCommands, permitted: Permitted) -> None:
        # the wrapped object owns the connections
        self.__dict__.update(commands.__dict__)
        self._permitted = permitted

    def cancel_many(self, task_ids: Sequence[str], *, actor: str, reason: str) -> tuple[int, int]:
        """See `ManyTaskCommands.cancel_many`; raises NotPermitted."""
        self._permitted.check_operated(task_ids)
        return super().cancel_many(task_ids, actor=actor, reason=reason)

    def check_kinds(self, kinds: Kinds) -> None:
        """See `TaskCommands.check_kinds`."""
        self._permitted.check_kinds(kinds)

    def retry_many(
        self, task_ids: Sequence[str], *, actor: str, reason: str, scope: str = RetryScope.THIS
    ) -> tuple[int, list[str]]:
        """See `ManyTaskCommands.retry_many`; raises NotPermitted."""
        self._permitted.check_retried(task_ids)
        return super().retry_many(task_ids, actor=actor, reason=reason, scope=scope)

    def reprioritise_many(self, task_ids: Sequence[str], priority: str, *, actor: str, reason: str) -> int:
        """See `ManyTaskCommands.reprioritise_many`; raises NotPermitted."""
        self._permitted.check_operated(task_ids)
        return super().reprioritise_many(task_ids, priority, actor=actor, reason=reason)
