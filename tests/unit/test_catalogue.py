"""The interface's languages: nothing is left untranslated, and nothing is shown that no catalogue knows."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from taskyard.core.translation import DEFAULT, LANGUAGES
from tests.catalogue import FOLDERS, KEYWORDS, catalogue, is_translated, messages, placeholders, texts
from tests.each import for_each
from tests.sources import name_of, nodes_of, sources_of

SOURCES = sources_of("dashboard")
SOURCES_OF_TEXTS = sources_of(*FOLDERS)
# Elements whose first argument is a text for people.
SHOWN = {
    "button", "caption", "checkbox", "download_button", "error", "expander", "form_submit_button", "header", "info",
    "link_button", "markdown", "metric", "multiselect", "number_input", "pills", "popover", "radio",
    "segmented_control", "selectbox", "slider", "spinner", "status", "subheader", "success", "text", "text_area",
    "text_input", "time_input", "date_input", "title", "toast", "toggle", "warning",
}  # fmt: skip
TEXT_ARGUMENTS = {"help", "placeholder", "label", "alt", "title", "caption"}
DIRECTIVE = re.compile(r":[a-z…]+(/[a-z_…]+:|(-background|-badge)?\[)")  # :material/help:, :red[, :…-badge[
others = [code for code in LANGUAGES if code != DEFAULT]


@pytest.mark.parametrize("code", others)
def test_every_text_is_translated(code: str) -> None:
    known = {message.id: message for message in messages(catalogue(code))}
    wanted = {message.id for message in messages(texts())}

    assert wanted - known.keys() == set()
    assert known.keys() - wanted == set(), "texts that nobody shows any more"
    assert [m.id for m in known.values() if not is_translated(m)] == []


@pytest.mark.parametrize("code", others)
def test_translations_fill_in_the_same_values(code: str) -> None:
    for message in messages(catalogue(code)):
        originals = message.id if isinstance(message.id, tuple | list) else (message.id,)
        translations = message.string if isinstance(message.string, tuple | list) else (message.string,)
        values = {name for text in originals for name in placeholders(text)}
        for translation in translations:
            assert placeholders(translation) == values, message.id
            assert translation.startswith("\n") == originals[0].startswith("\n")


@for_each("path", SOURCES_OF_TEXTS, name_of)
def test_texts_can_be_found(path: Path) -> None:
    """A translator's call has literal arguments, or names a constant that N_ marked."""
    wrong = []
    for call in _calls(path):
        if _name(call) in KEYWORDS and call.args and isinstance(call.args[0], ast.JoinedStr | ast.BinOp):
            wrong.append(f"line {call.lineno}: values are filled in after the translation")
    assert wrong == []


@for_each("path", SOURCES, name_of)
def test_nothing_is_shown_untranslated(path: Path) -> None:
    wrong = []
    for call in _calls(path):
        first = call.args[:1] if _is_st(call) and _name(call) in SHOWN else []
        named = [keyword.value for keyword in call.keywords if keyword.arg in TEXT_ARGUMENTS] if _is_st(call) else []
        wrong += [f"line {node.lineno}: {ast.unparse(node)}" for node in (*first, *named) if _is_prose(node)]
    assert wrong == []


def _calls(path: Path) -> list[ast.Call]:
    return [node for node in nodes_of(path) if isinstance(node, ast.Call)]


def _name(call: ast.Call) -> str:
    return call.func.id if isinstance(call.func, ast.Name) else getattr(call.func, "attr", "")


def _is_st(call: ast.Call) -> bool:
    return isinstance(call.func, ast.Attribute) and ast.unparse(call.func).startswith("st.")


def _is_prose(node: ast.expr) -> bool:
    """Whether this is a literal with a word in it that is no icon's or directive's name."""
    parts = node.values if isinstance(node, ast.JoinedStr) else [node]
    if not any(isinstance(part, ast.Constant) and isinstance(part.value, str) for part in parts):
        return False
    text = "".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in parts)
    return re.search(r"[a-z]{3}", DIRECTIVE.sub("", text)) is not None
