"""Asks before a command acts."""

from __future__ import annotations

import sys

import typer

from taskyard.core.errors import SubmissionError
from taskyard.core.payload.culprits import required


def confirm(question: str, without_terminal: SubmissionError | None = None) -> None:
    """Asks on the terminal, and ends the command at a no; raises SubmissionError if there is no terminal."""
    if not sys.stdin.isatty():
        raise without_terminal or required("--yes", "there is no terminal to ask on")
    if not typer.confirm(f"{question} Go on?", err=True):
        raise typer.Abort
