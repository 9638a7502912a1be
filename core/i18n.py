"""Marks texts that are translated where they are shown, not where they are written.

Core writes everything in English, as a `TranslatableText`: an ordinary text for logs and the command line, which
the dashboard can translate for its viewer. `N_` marks single texts to translate, such as a heading or a word.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Self


class TranslatableText(str):
    """An English text that keeps its template and the values that fill it.

    Values may be such texts themselves. It equals the plain text, and is stored and sent as it.
    """

    __slots__ = ("template", "values")
    template: str
    values: Mapping[str, object]

    def __new__(cls, template: str, values: Mapping[str, object]) -> Self:
        text = super().__new__(cls, template.format(**values))
        text.template = template
        text.values = values
        return text

    def __reduce__(self) -> tuple[type[Self], tuple[str, Mapping[str, object]]]:
        return type(self), (self.template, self.values)


class Word(str):
    """A value in a `TranslatableText` that is a translatable word, such as a state; enum members are too."""

    __slots__ = ()


class Moment(str):
    """A time in a `TranslatableText`: the text is for readers without a zone, `at` for those who have one."""

    __slots__ = ("at",)
    at: datetime

    def __new__(cls, at: datetime, text: str) -> Self:
        moment = super().__new__(cls, text)
        moment.at = at
        return moment

    def __reduce__(self) -> tuple[type[Self], tuple[datetime, str]]:
        return type(self), (self.at, str(self))


def msg(template: str, /, **values: object) -> TranslatableText:
    """Returns `template.format(**values)` in translatable form; catalogues find the template by this call.

    For rare texts only: it takes much longer than an f-string.
    """
    return TranslatableText(template, values)


def either(texts: Iterable[str]) -> str:
    """Returns `a or b or c`; needs at least one text."""
    *others, text = texts
    for one in reversed(others):
        text = msg("{one} or {others}", one=one, others=text)
    return text


def listed(texts: Iterable[str]) -> str:
    """Returns `a; b; c`; an empty text for none."""
    *others, text = list(texts) or [""]
    for one in reversed(others):
        text = msg("{one}; {others}", one=one, others=text)
    return text


def N_(text: str) -> str:
    """Returns the text unchanged; catalogues find it by this call's name, a convention of gettext."""
    return text
