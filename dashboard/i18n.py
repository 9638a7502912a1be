"""Provides the interface's languages: English in the source, others from the catalogues of core.

The viewer's language is that of the switch or of the page's address, or else the one last chosen in this browser,
which a cookie keeps (dashboard/kept_choices.py), or else the browser's. A text with values is translated first and
filled in then: `_("{count} tasks").format(count=3)`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import streamlit as st

from taskyard.core.translation import DEFAULT, LANGUAGES, catalogue
from taskyard.dashboard import kept_choices

LANGUAGE_KEY = "lang"  # of the switch, and in the address
SEEN_KEY = "language_seen"
_CODES = {**{code: code for code in LANGUAGES}, **{name: code for code, name in LANGUAGES.items()}}


def settle_language() -> None:
    """Chooses the language before anything is shown: what a newly opened address says, or else what the viewer has."""
    given = st.query_params.get(LANGUAGE_KEY)
    if given != st.session_state.get(SEEN_KEY):
        st.session_state[SEEN_KEY] = given
        if given in _CODES:
            st.session_state[LANGUAGE_KEY] = _CODES[given]
    st.session_state[LANGUAGE_KEY] = language()


def choose_language() -> None:
    """Makes the switch's language that of this page's address and of this browser."""
    chosen = st.session_state[LANGUAGE_KEY]
    st.query_params[LANGUAGE_KEY] = st.session_state[SEEN_KEY] = chosen
    kept_choices.keep(kept_choices.LANGUAGE, chosen)


def language() -> str:
    """Returns the viewer's language, a key of LANGUAGES."""
    chosen = st.session_state.get(LANGUAGE_KEY)
    if chosen not in LANGUAGES:
        chosen = kept_choices.kept(kept_choices.LANGUAGE)
    return chosen if chosen in LANGUAGES else browser_language()


def is_english() -> bool:
    """Returns True if the viewer reads the source's own language."""
    return language() == DEFAULT


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
