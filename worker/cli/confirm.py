"""Asks before a command acts."""

from __future__ import annotations

import sys

import typer

from taskyard.core.errors import SubmissionError
from taskyard.core.payload.culprits import required


def has_terminal() -> bool:
    """Returns True if there is somebody to ask."""
    return sys.stdin.isatty()


def confirm(question: str, without_terminal: SubmissionError | None = None) -> None:
    """Asks on the terminal, and ends the command at a no; raises SubmissionError if there is no terminal."""
    if not has_terminal():
        raise without_terminal or required("--yes", "there is no terminal to ask on")
    if not typer.confirm(f"{question} Go on?", err=True):
        raise typer.Abort


def confirm_number(question: str, number: int) -> None:
    """Asks for a number to be typed, and ends the command at any other; raises SubmissionError without a terminal."""
    if not has_terminal():
        raise required("--yes", "there is no terminal to ask on")
    typed = typer.prompt(f"{question} Type {number} to go on", default="", show_default=False, err=True)
    if typed.strip().replace(",", "") != str(number):
        raise typer.Abort
