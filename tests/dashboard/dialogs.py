"""Answering a dialog in a test."""

from __future__ import annotations

from collections.abc import Callable

from streamlit.testing.v1 import AppTest


def answered(page: AppTest, name: str, ask: Callable[[], object], reason: str | None = None) -> AppTest:
    """The page after the dialog `name` (of components.asking) was answered with a reason and sent.

    A click in a dialog reruns the dialog in a browser, but the whole script here: `ask` does again what
    opens it.
    """
    ask()
    page.run()
    if reason is not None:
        page.text_input(key=f"ask_reason_{name}").set_value(reason)
    ask()
    page.button(key=f"ask_send_{name}").click().run()
    return page
