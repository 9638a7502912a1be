"""Provides the interface's languages: English in the source, others from the catalogues of core.

The viewer's language is that of the switch, or else the browser's. A text with values is translated first and
filled in then: `_("{count} tasks").format(count=3)`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import streamlit as st

from taskyard.core.translation import DEFAULT, LANGUAGES, catalogue

LANGUAGE_KEY = "lang"


def language() -> str:
    """Returns the viewer's language, a key of LANGUAGES."""
    chosen = st.session_state.get(LANGUAGE_KEY)
    return chosen if chosen in LANGUAGES else browser_language()


def browser_language() -> str:
    """Returns the browser's preferred language, if it is one of ours."""
    spoken = (st.context.locale or DEFAULT).partition("-")[0].lower()
    return spoken if spoken in LANGUAGES else DEFAULT


def _(text: str) -> str:
    """Returns the text in the viewer's language."""
    return catalogue(language()).gettext(text) if text else ""


def translator() -> Callable[[str], str]:
    """Returns a translator into the viewer's language for use in other threads, which don't know the viewer."""
    texts = catalogue(language())
    return lambda text: texts.gettext(text) if text else ""


def ngettext(one: str, many: str, count: int) -> str:
    """Returns the text for one or many, in the viewer's language."""
    return catalogue(language()).ngettext(one, many, count)


def labelled(label: str, text: object) -> str:
    """Returns `label: text`, with the colon of the viewer's language."""
    return _("{label}: {text}").format(label=label, text=text)


def enumerated(texts: Iterable[str]) -> str:
    """Returns `a; b; c`, with the semicolons of the viewer's language."""
    return _("; ").join(texts)
