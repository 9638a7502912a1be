"""What core says, in the viewer's language."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum

from taskyard.core.errors import TaskyardError
from taskyard.core.i18n import Said, Word
from taskyard.dashboard.components.states import WORDS
from taskyard.dashboard.i18n import translator


def told(text: object) -> str:
    """An error, or a text that core made, for the viewer; what is no `Said` is already as it can be."""
    return _told(text.said if isinstance(text, TaskyardError) else text, translator())


def _told(text: object, translate: Callable[[str], str]) -> str:
    if not isinstance(text, Said):
        return str(text)
    values = {name: _value(value, translate) for name, value in text.values.items()}
    return translate(text.template).format(**values)


def _value(value: object, translate: Callable[[str], str]) -> object:
    """A value as it fills a translated template: numbers stay numbers, which the template formats."""
    if isinstance(value, Enum | Word):
        return translate(WORDS[str(value)]) if str(value) in WORDS else str(value)
    return _told(value, translate) if isinstance(value, Said) else value
