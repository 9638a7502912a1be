"""Finds this checkout's own files of figures; an installed package has none."""

from __future__ import annotations

import subprocess
from pathlib import Path

from taskyard.core.errors import ConfigurationError
from taskyard.core.paths import FILES

FIGURES = FILES / "docs" / "design"


def checkout_file(name: str, wanted_by: str) -> Path:
    """Returns where a file of figures is or will be; raises ConfigurationError outside of a git checkout."""
    if not is_checkout():
        raise ConfigurationError([f"bench {wanted_by}: works in a git checkout of Taskyard only"])
    return FIGURES / name


def is_checkout() -> bool:
    """Returns True if Taskyard runs from a git checkout, with its documentation."""
    return FIGURES.is_dir() and (FILES / ".git").exists()


def commit_here(ignored: str) -> str:
    """Returns the short hash of the checkout's commit, with a + if files have changed since, but for one of figures."""
    apart = f":(exclude){(FIGURES / ignored).relative_to(FILES)}"
    changed = _git("status", "--porcelain", "--untracked-files=no", "--", ".", apart)
    return _git("rev-parse", "--short=8", "HEAD") + ("+" if changed else "")


def _git(*arguments: str) -> str:
    return subprocess.run(
        ["git", "-C", str(FILES), *arguments], capture_output=True, text=True, check=True
    ).stdout.strip()
