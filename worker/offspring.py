"""Parents that ended while their children are not all settled: the leader's short list of what the sweep would find."""

from __future__ import annotations

from core.store.dependants import NONE, PARENTS_SLICE, Ended
from core.store.recovering import NIL

LIMIT = 10 * PARENTS_SLICE
FIRST_PAUSE_SECONDS = 0.02
MOST_PAUSE_SECONDS = 1.0


class Offspring:
    """Times are monotonic seconds. What is forgotten here, or with this process, the sweep finds by the rows."""

    def __init__(self) -> None:
        self._completed: dict[str, None] = {}
        self._failed: dict[str, None] = {}
        self._due = 0.0
        self._pause = 0.0
        self._cursor = NIL

    def __bool__(self) -> bool:
        return bool(self._completed or self._failed)

    def next_due(self) -> float | None:
        """When the next slice is due; None if nothing is left."""
        return self._due if self else None

    def take(self, now: float) -> Ended:
        """What the next slice is about, if it is due."""
        if not self or now < self._due:
            return NONE
        taken = Ended(list(self._completed), list(self._failed))
        self._completed, self._failed = {}, {}
        return taken

    def note(self, left: Ended, now: float, *, has_moved: bool) -> None:
        """What a slice left; without any progress the next one waits longer."""
        if not left:
            return
        for mine, theirs in ((self._completed, left.completed), (self._failed, left.failed)):
            for parent in theirs[: LIMIT - len(mine)]:
                mine[parent] = None
        self._pause = 0.0 if has_moved else min(MOST_PAUSE_SECONDS, max(FIRST_PAUSE_SECONDS, 2 * self._pause))
        self._due = now + self._pause

    def next_sweep(self) -> str:
        """Where the sweep goes on."""
        return self._cursor

    def note_sweep(self, next_after: str | None) -> None:
        """How far it came; None: to the end, so that it begins again."""
        self._cursor = next_after or NIL
