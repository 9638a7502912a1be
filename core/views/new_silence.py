"""Checks a new silence. One of every alert is a trap, and must be meant: by a word, and with an end."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from fnmatch import fnmatchcase

from taskyard.core.alerts.rules import checked_rule_pattern
from taskyard.core.config import Settings
from taskyard.core.i18n import msg
from taskyard.core.payload.culprits import refused, required
from taskyard.core.payload.typed_text import checked
from taskyard.core.postgres.database import Transaction
from taskyard.core.postgres.store import alerts
from taskyard.core.views.alerts import MAX_PATTERN_LENGTH, MAX_SILENCE_SECONDS, kinds_of

EVERYTHING = "everything"  # the word, the same in every language
DEFAULT_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class SilencePatterns:
    """What a new silence matches, and for how long."""

    rule: str
    subject: str
    seconds: float


def checked_silence(
    tx: Transaction, settings: Settings, rule: str, subject: str, seconds: float | None, confirm: str = ""
) -> SilencePatterns:
    """Returns a new silence; `seconds` None is an hour. Raises SubmissionError.

    One of everything needs the word EVERYTHING as `confirm`, and its `seconds`.
    """
    rule, subject = checked("rule", rule, MAX_PATTERN_LENGTH), checked("subject", subject, MAX_PATTERN_LENGTH)
    fired = {alert.rule for alert in alerts.open_alerts(tx)}
    pattern = checked_rule_pattern(rule, settings.alerts_file, fired)
    if is_everything(pattern, subject, {*kinds_of(settings), *fired}):
        if confirm.strip() != EVERYTHING:
            expected = msg("the word {word}, as this silences every alert of every rule", word=EVERYTHING)
            raise refused("confirm", confirm, expected) if confirm.strip() else required("confirm", expected)
        if seconds is None:
            raise required("seconds", msg("when a silence of everything ends"))
    if seconds is None:
        seconds = DEFAULT_SECONDS
    if not 0 < seconds <= MAX_SILENCE_SECONDS:
        expected = msg("more than 0 and at most {most:.0f}, which is a year", most=MAX_SILENCE_SECONDS)
        raise refused("seconds", seconds, expected)
    return SilencePatterns(pattern, subject, seconds)


def is_everything(rule: str, subject: str, rules: Collection[str]) -> bool:
    """Returns True if the patterns match every subject of every rule: of any name, or of all these `rules` (pure)."""
    matches_all = len(rules) > 1 and all(fnmatchcase(name, rule) for name in rules)
    return _is_open(subject) and (_is_open(rule) or matches_all)


def _is_open(pattern: str) -> bool:
    return "*" in pattern and set(pattern) <= set("*?")
