"""Translates core's texts into the viewer's language."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum

from taskyard.core.errors import TaskyardError
from taskyard.core.i18n import TranslatableText, Word
from taskyard.dashboard.components.states import WORDS
from taskyard.dashboard.i18n import translator


def translate(text: object) -> str:
    """Translates an error, or a text of core; other values than a `TranslatableText` stay as they are."""
    return _translated(text.text if isinstance(text, TaskyardError) else text, translator())


def _translated(text: object, gettext: Callable[[str], str]) -> str:
    if not isinstance(text, TranslatableText):
        return str(text)
    values = {name: _value(value, gettext) for name, value in text.values.items()}
    return gettext(text.template).format(**values)


def _value(value: object, gettext: Callable[[str], str]) -> object:
    """Returns a value to fill into a translated template: numbers stay numbers, which the template formats."""
    if isinstance(value, Enum | Word):
        return gettext(WORDS[str(value)]) if str(value) in WORDS else str(value)
    return _translated(value, gettext) if isinstance(value, TranslatableText) else value
