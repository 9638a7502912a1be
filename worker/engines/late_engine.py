"""Opens an engine in the thread that talks to it: a client may wait minutes for a cluster that does not answer.

So an agent registers at once, and tells that its engine is away as it tells anything else of its engine.
"""

from __future__ import annotations

from collections.abc import Callable

from taskyard.worker.engines.engine import Engine, EngineProblem, LosableEngine, SeatCommand
from taskyard.worker.engines.reach import unreached
from taskyard.worker.engines.settings import EngineSettings


class LateEngine:
    """An engine that is not there until `reach` has opened it. All calls come from one thread."""

    def __init__(self, settings: EngineSettings, opened: Callable[[], Engine]) -> None:
        self._settings, self._opened = settings, opened
        self._engine: Engine | None = None

    def reach(self) -> None:
        """Opens the engine; may take minutes. Raises EngineProblem, or what its package raises."""
        self._engine = None  # one that is lost holds nothing any more
        if problem := unreached(self._settings.address):
            raise EngineProblem(f"{self._settings.name} does not answer: {problem}")
        self._engine = self._opened()

    def is_lost(self) -> bool:
        return isinstance(self._engine, LosableEngine) and self._engine.is_lost()

    def launch(self, seat_id: str, command: SeatCommand) -> None:
        if self._engine is None:
            raise EngineProblem(f"{self._settings.name} is not reached yet")
        self._engine.launch(seat_id, command)

    def cancel(self, seat_id: str) -> None:
        if self._engine is not None and not self.is_lost():
            self._engine.cancel(seat_id)

    def problem(self, seat_id: str) -> str:
        return "" if self._engine is None else self._engine.problem(seat_id)

    def why(self, seat_id: str) -> str:
        return "" if self._engine is None else self._engine.why(seat_id)

    def close(self) -> None:
        if self._engine is not None:
            self._engine.close()
