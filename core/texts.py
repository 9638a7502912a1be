"""Marks texts that are translated where they are shown, not where they are written."""

from __future__ import annotations


def N_(text: str) -> str:
    """The text itself; its place in a catalogue is found by this call's name, as by gettext's convention."""
    return text
