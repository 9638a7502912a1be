"""The texts of the interface, found in the source: `python -m tests.catalogue` brings the catalogues up to date.

New and changed texts come in without a translation and are listed; those that are gone are removed, and their
translations printed, to be copied to what replaced them. A test asks that nothing is left untranslated.
"""

from __future__ import annotations

import ast
import string
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.pofile import read_po, write_po

from taskyard.core.config import Settings
from taskyard.core.submission.input_schema import form_fields
from taskyard.core.task_types.registry import registry
from taskyard.core.translation import DEFAULT, LANGUAGES, LOCALE
from tests.servers import REPOSITORY

KEYWORDS = {"_": 1, "N_": 1, "msg": 1, "ngettext": 2}  # the functions, and how many texts each takes
FOLDERS = ("dashboard", "core", "api", "taskyard/client")
WIDTH = 110
WHENEVER = datetime(2026, 1, 1, tzinfo=UTC)  # so that a catalogue changes only if its texts do


def texts() -> Catalog:
    """Every text that the interface shows."""
    catalog = Catalog(project="Taskyard", charset="utf-8")
    for folder in FOLDERS:
        for path in sorted((REPOSITORY / folder).rglob("*.py")):
            for message in _texts_of(ast.parse(path.read_text())):
                catalog.add(message)
    for message in _texts_of_models():
        catalog.add(message)
    return catalog


def path_of(code: str) -> Path:
    """The catalogue of a language."""
    return LOCALE / code / "LC_MESSAGES" / "taskyard.po"


def catalogue(code: str) -> Catalog:
    """What there is of a language."""
    if not path_of(code).exists():
        return Catalog(locale=code, project="Taskyard", charset="utf-8")
    with path_of(code).open("rb") as source:
        return read_po(source, locale=code)


def placeholders(text: str) -> set[str]:
    """The names in braces of a text."""
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


def messages(catalog: Catalog) -> Iterator[Message]:
    """The messages of a catalogue, without its header."""
    return (message for message in catalog if message.id)


def is_translated(message: Message) -> bool:
    """Returns whether a message has a translation, a plural one each of its forms."""
    forms = message.string if isinstance(message.string, tuple | list) else (message.string,)
    return not message.fuzzy and bool(forms) and all(forms)


def _texts_of(tree: ast.Module) -> Iterator[str | tuple[str, ...]]:
    """The literals that a module gives to translators, also inside f-strings, where babel's extractor sees none."""
    for call in ast.walk(tree):
        count = KEYWORDS.get(call.func.id, 0) if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) else 0
        given = call.args[:count] if count else []
        literals = [node.value for node in given if isinstance(node, ast.Constant) and isinstance(node.value, str)]
        if count and len(literals) == count:
            yield literals[0] if count == 1 else tuple(literals)


def _texts_of_models() -> Iterator[str]:
    """What the shipped task types, their forms' fields and the settings say of themselves."""
    for known in registry.load().types.values():
        if known.is_shipped:
            fields = [one for field in form_fields(known.input_model) or () for one in field.each()]
            yield from filter(
                None, [known.description, *(text for one in fields for text in (one.label, one.description))]
            )
    yield from (field.description for field in Settings.model_fields.values() if field.description)


def update() -> None:
    """Writes each language's catalogue anew."""
    found = texts()
    for code in LANGUAGES:
        if code == DEFAULT:
            continue
        catalog = catalogue(code)
        catalog.update(found, no_fuzzy_matching=True)
        for gone in catalog.obsolete.values():
            print(f"gone: {gone.id!r}\n      {gone.string!r}")
        catalog.obsolete.clear()
        catalog.creation_date = catalog.revision_date = WHENEVER
        path_of(code).parent.mkdir(parents=True, exist_ok=True)
        with path_of(code).open("wb") as target:
            write_po(target, catalog, width=WIDTH, no_location=True, omit_header=False, sort_output=True)
        missing = [message.id for message in messages(catalog) if not is_translated(message)]
        for text in missing:
            print(f"to translate: {text!r}")
        print(f"{code}: {len(catalog)} texts, {len(missing)} without a translation, in {path_of(code)}")


if __name__ == "__main__":
    update()
