"""Lists ended parents whose children are not all settled, before the sweep would find them."""

from __future__ import annotations

from taskyard.core.postgres.store.dependants import NONE, PARENTS_SLICE, Ended
from taskyard.core.postgres.store.recovery import NIL

LIMIT = 10 * PARENTS_SLICE
FIRST_PAUSE_SECONDS = 0.02
MAX_PAUSE_SECONDS = 1.0


class UnsettledParents:
    """Times are monotonic seconds. Entries lost with this process are found again by the sweep."""

    def __init__(self) -> None:
        self._completed: dict[str, None] = {}
        self._failed: dict[str, None] = {}
        self._due = 0.0
        self._pause = 0.0
        self._cursor = NIL

    def __bool__(self) -> bool:
        return bool(self._completed or self._failed)

    def next_due(self) -> float | None:
        """Returns when the next slice is due; None if nothing is left."""
        return self._due if self else None

    def take(self, now: float) -> Ended:
        """Returns the next slice, if it is due."""
        if not self or now < self._due:
            return NONE
        taken = Ended(list(self._completed), list(self._failed))
        self._completed, self._failed = {}, {}
        return taken

    def note(self, left: Ended, now: float, *, has_moved: bool) -> None:
        """Stores what a slice left; without any progress the next one waits longer."""
        if not left:
            return
        is_new = not self
        self._remember(left)
        self._pause = 0.0 if has_moved else min(MAX_PAUSE_SECONDS, max(FIRST_PAUSE_SECONDS, 2 * self._pause))
        due = now + self._pause
        self._due = due if is_new else min(self._due, due)

    def note_found(self, ended: Ended, next_after: str | None, now: float) -> None:
        """Stores what the sweep found, and where it continues; None: it came to the end, and begins again."""
        if ended and not self:
            self._due = now
        self._remember(ended)
        self._cursor = next_after or NIL

    def _remember(self, ended: Ended) -> None:
        for mine, theirs in ((self._completed, ended.completed), (self._failed, ended.failed)):
            for parent in theirs[: LIMIT - len(mine)]:
                mine[parent] = None

    def next_sweep(self) -> str:
        """Returns where the sweep continues."""
        return self._cursor
