"""Texts that are translated where they are shown, not where they are written.

Core writes everything in English, as a `TranslatableText`: an ordinary text for logs and the command line, which
the dashboard can translate for its viewer. `N_` marks what is translated by itself, such as a heading or a word.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Self


class TranslatableText(str):
    """An English text that remembers what it was made of: a template and the values that fill it.

    Values may be such texts themselves. It equals, and is stored and sent as, the text.
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
    """A value in a `TranslatableText` that is a word of the interface, such as a state; so is an enum's member."""

    __slots__ = ()


def msg(template: str, /, **values: object) -> TranslatableText:
    """`template.format(**values)`, which can be said in another language; catalogues know the template by this call.

    For what is said seldom: it takes much longer than an f-string.
    """
    return TranslatableText(template, values)


def either(texts: Iterable[str]) -> str:
    """`a or b or c`; there is one at least."""
    *others, text = texts
    for one in reversed(others):
        text = msg("{one} or {others}", one=one, others=text)
    return text


def listed(texts: Iterable[str]) -> str:
    """`a; b; c`; an empty text for none."""
    *others, text = list(texts) or [""]
    for one in reversed(others):
        text = msg("{one}; {others}", one=one, others=text)
    return text


def N_(text: str) -> str:
    """The text itself; its place in a catalogue is found by this call's name, as by gettext's convention."""
    return text
