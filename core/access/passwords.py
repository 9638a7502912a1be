"""Hashes and verifies passwords by Argon2id, which takes time and 64 MiB on purpose."""

from __future__ import annotations

import unicodedata
from functools import lru_cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.profiles import RFC_9106_LOW_MEMORY

from taskyard.core.access.identity import new_secret
from taskyard.core.errors import SubmissionError
from taskyard.core.i18n import msg

MIN_LENGTH, MAX_LENGTH = 12, 1_000  # characters

_HASHER = PasswordHasher.from_parameters(RFC_9106_LOW_MEMORY)


def check_password(value: object) -> str:
    """Returns a password that may be set; raises SubmissionError, which does not show it."""
    if not isinstance(value, str) or not MIN_LENGTH <= len(value) <= MAX_LENGTH or not value.isprintable():
        expected = msg("{least} to {most} printable characters", least=MIN_LENGTH, most=MAX_LENGTH)
        raise SubmissionError("password", "***", expected)
    return value


def hash_password(password: str) -> str:
    """Returns the stored form of a password, with its parameters and a salt of its own."""
    return _HASHER.hash(_normal(password))


def verify_password(stored: str | None, password: str) -> bool:
    """Returns True if it is the password; without a stored one this takes as long, so that nobody can tell."""
    if len(password) > MAX_LENGTH:
        return False
    try:
        return _HASHER.verify(stored or _nobodys(), _normal(password)) and stored is not None
    except (VerificationError, InvalidHashError):
        return False


def needs_rehash(stored: str) -> bool:
    """Returns True if a password was hashed with other parameters than today's."""
    return _HASHER.check_needs_rehash(stored)


@lru_cache(maxsize=1)
def _nobodys() -> str:
    return hash_password(new_secret())


def _normal(password: str) -> str:
    # the same characters can be typed in two ways: é, or e with an accent
    return unicodedata.normalize("NFKC", password)
