"""Stand-ins for the engine around a handler."""

from __future__ import annotations

from typing import Any

from taskyard.core.errors import TaskCancelled


class FakeContext:
    """A TaskContext that keeps what a handler tells; `cancel_after` counts progress reports."""

    def __init__(self, attempt: int = 1, last_checkpoint: Any = None, cancel_after: int | None = None) -> None:
        self.task_id = "00000000-0000-7000-8000-000000000001"
        self.attempt = attempt
        self.last_checkpoint = last_checkpoint
        self.progress_reports: list[tuple[float, str]] = []
        self.lines: list[str] = []
        self.checkpoints: list[Any] = []
        self._cancel_after = cancel_after

    def progress(self, fraction: float, message: str = "") -> None:
        assert 0 <= fraction <= 1
        self.progress_reports.append((fraction, message))

    def log(self, message: str, level: str = "info") -> None:
        self.lines.append(message)

    def checkpoint(self, state: Any) -> None:
        self.checkpoints.append(state)

    @property
    def cancelled(self) -> bool:
        return self._cancel_after is not None and len(self.progress_reports) >= self._cancel_after

    def raise_if_cancelled(self) -> None:
        if self.cancelled:
            raise TaskCancelled("cancelled by the test")
