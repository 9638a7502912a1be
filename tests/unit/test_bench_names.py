"""`bench --help` names every part of the bench."""

from __future__ import annotations

from taskyard.worker.cli.admin import BENCHMARKS
from taskyard.worker.devtools.bench import MEASURES


def test_help_names_them_all() -> None:
    assert tuple(MEASURES) == BENCHMARKS
