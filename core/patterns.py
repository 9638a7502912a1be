"""Handles fnmatch patterns, and decides whether one can match any name at all (pure)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fnmatch import fnmatchcase

MAX_PATTERN_LENGTH = 200  # characters
_LETTERS, _MORE, _DIGITS = "abcdefghijklmnopqrstuvwxyz", "_", "0123456789"
_START, _WORD = "start", "word"  # of a name: where a word begins, and inside or behind one

Step = Callable[[str, str], "str | None"]


def can_match_type(pattern: str) -> bool:
    """Returns True if some name of a task type could match: lower-case words joined by dots."""

    def step(state: str, character: str) -> str | None:
        if character in _LETTERS:
            return _WORD
        if state == _WORD and character in _MORE + _DIGITS:
            return _WORD
        return _START if state == _WORD and character == "." else None

    return _can_match(pattern, step, _LETTERS + _MORE + _DIGITS + ".")


def can_match_label(pattern: str) -> bool:
    """Returns True if some name of a queue could match: lower-case letters, digits and ._-"""
    return _can_match(pattern, lambda state, character: _WORD, _LETTERS + _DIGITS + "._-")


def _can_match(pattern: str, step: Step, alphabet: str) -> bool:
    """Runs the pattern over all names at once, as a set of states after each of its parts."""
    states = {_START}
    for part in _parts(pattern):
        fitting = [character for character in alphabet if part == "*" or fnmatchcase(character, part)]
        after = _stepped(states, fitting, step)
        while part == "*" and not after <= states:
            states |= after
            after = _stepped(states, fitting, step)
        if part != "*":
            states = after
    return _WORD in states


def _stepped(states: set[str], characters: list[str], step: Step) -> set[str]:
    found = (step(state, character) for state in states for character in characters)
    return {state for state in found if state is not None}


def _parts(pattern: str) -> Iterator[str]:
    """Splits a pattern as fnmatch does: `*`, `?`, classes such as `[a-c]` or `[!x]`, and single characters."""
    at = 0
    while at < len(pattern):
        end = at + 1
        if pattern[at] == "[":
            close = pattern.find("]", at + 2 + (pattern[at + 1 : at + 2] == "!"))
            end = close + 1 if close > 0 else end
        yield "[[]" if pattern[at:end] == "[" else pattern[at:end]
        at = end
