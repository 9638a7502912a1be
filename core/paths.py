"""Locates Taskyard's files in a checkout and in an installed package alike."""

from __future__ import annotations

from pathlib import Path

# The folder with core, worker, dashboard and sql. In a checkout the package `taskyard` has links to them.
FILES = Path(__file__).resolve().parent.parent
# The folder to put on `sys.path` so that `import taskyard` works.
IMPORT_ROOT = Path(__import__("taskyard").__file__ or "").absolute().parent.parent
