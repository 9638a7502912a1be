"""Defines what a check found (pure)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Check:
    """The result of one check.

    Not `ok`: Taskyard can't run. `warning`: it can, but `advice` is worth following.
    """

    name: str
    ok: bool
    warning: bool
    found: str
    advice: str = ""


def fine(name: str, found: str) -> Check:
    """Returns a passed check."""
    return Check(name, ok=True, warning=False, found=found)


def warning(name: str, found: str, advice: str) -> Check:
    """Returns a warning: Taskyard can run with it, but `advice` is worth following."""
    return Check(name, ok=True, warning=True, found=found, advice=advice)


def problem(name: str, found: str, advice: str) -> Check:
    """Returns a problem: Taskyard can't run with it."""
    return Check(name, ok=False, warning=False, found=found, advice=advice)
