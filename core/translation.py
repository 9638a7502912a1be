"""Translates texts into the languages of their readers: English in the source, others from gettext catalogues.

Catalogues are in `core/locale`, for all doors: pages, the HTTP API, exports. A text with values is translated first
and filled in then.
"""

from __future__ import annotations

import gettext
import io
from collections.abc import Callable, Mapping
from datetime import datetime
from enum import Enum
from functools import lru_cache

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

from taskyard.core.error_words import ERROR_CLASS_WORDS
from taskyard.core.errors import TaskyardError
from taskyard.core.i18n import N_, Moment, TranslatableText, Word
from taskyard.core.paths import FILES
from taskyard.core.states import TaskState

LOCALE = FILES / "core" / "locale"
LANGUAGES = {"en": "English", "zh": "中文"}  # each by its own name
DEFAULT = "en"
WORDS: Mapping[str, str] = {
    TaskState.BLOCKED: N_("blocked"),
    TaskState.SCHEDULED: N_("scheduled"),
    TaskState.PENDING: N_("pending"),
    TaskState.ASSIGNED: N_("assigned"),
    TaskState.IN_PROGRESS: N_("in progress"),
    TaskState.SUSPENDED: N_("suspended"),
    TaskState.COMPLETED: N_("completed"),
    TaskState.FAILED: N_("failed"),
    TaskState.CANCELLED: N_("cancelled"),
    "running": N_("running"),
    "stuck": N_("stuck"),
    "low": N_("low"),
    "medium": N_("medium"),
    "high": N_("high"),
    "urgent": N_("urgent"),
    "info": N_("info"),
    "warning": N_("warning"),
    "critical": N_("critical"),
    "open": N_("open"),
    "online": N_("online"),
    "paused": N_("paused"),
    "draining": N_("draining"),
    "silent": N_("silent"),
    "left": N_("left"),
    "lost": N_("lost"),
    "firing": N_("firing"),
    "acknowledged": N_("acknowledged"),
    "resolved": N_("resolved"),
    "delivered": N_("delivered"),
    **{str(one): text for one, text in ERROR_CLASS_WORDS.items()},
}


@lru_cache(maxsize=1000)
def preferred_language(header: str) -> str:
    """Returns the code of the language of ours that is preferred by `Accept-Language` (RFC 9110, 12.5.4)."""
    ranked: list[tuple[float, int, str]] = []
    for at, part in enumerate(header[:1000].split(",")):
        name, _, parameters = part.strip().partition(";")
        quality = parameters.strip().removeprefix("q=")
        try:
            weight = float(quality) if quality else 1.0
        except ValueError:
            continue
        code = name.strip().partition("-")[0].lower()
        if code in LANGUAGES and weight > 0:
            ranked.append((-weight, at, code))
    return min(ranked)[2] if ranked else DEFAULT


@lru_cache
def catalogue(code: str) -> gettext.NullTranslations:
    """Returns the texts of one language."""
    path = LOCALE / code / "LC_MESSAGES" / "taskyard.po"
    if not path.exists():
        return gettext.NullTranslations()
    compiled = io.BytesIO()
    with path.open("rb") as source:
        write_mo(compiled, read_po(source))
    compiled.seek(0)
    return gettext.GNUTranslations(compiled)


def translated(
    text: object, translate: Callable[[str], str], shown_time: Callable[[datetime], str] | None = None
) -> str:
    """Returns an error or a text of core in the language of `translate`; other values stay as they are.

    Times in it are shown by `shown_time`, if that is given.
    """
    text = text.text if isinstance(text, TaskyardError) else text
    if not isinstance(text, TranslatableText):
        return str(text)
    values = {name: _value(value, translate, shown_time) for name, value in text.values.items()}
    return translate(text.template).format(**values)


def _value(value: object, translate: Callable[[str], str], shown_time: Callable[[datetime], str] | None) -> object:
    """Returns a value to fill into a translated template: numbers stay numbers, which the template formats."""
    if isinstance(value, Enum | Word):
        return translate(WORDS[str(value)]) if str(value) in WORDS else str(value)
    if isinstance(value, Moment) and shown_time is not None:
        return shown_time(value.at)
    return translated(value, translate, shown_time) if isinstance(value, TranslatableText) else value
