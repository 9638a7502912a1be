"""Makes and parses tokens, the secrets of scripts, services and agents: `ty_<kind>_<id>_<secret>` (pure)."""

from __future__ import annotations

import re
import secrets
from enum import StrEnum
from typing import NamedTuple

from taskyard.core.access.identity import hashed, new_secret
from taskyard.core.access.principals import Kind
from taskyard.core.i18n import msg
from taskyard.core.payload.culprits import refused

DEFAULT_DAYS = 90.0
MAX_DAYS = 3_650.0
ID_BYTES = 6
_TOKEN = re.compile(rf"ty_({'|'.join(Kind)})_([0-9a-f]{{{2 * ID_BYTES}}})_([A-Za-z0-9_-]{{43}})", re.ASCII)
_ID = re.compile(rf"[0-9a-f]{{{2 * ID_BYTES}}}", re.ASCII)


class Opens(StrEnum):
    """What a token lets in."""

    API = "api"
    REDIS = "redis"


class TokenParts(NamedTuple):
    """A token's parts; of its secret only the hash, as it is stored."""

    kind: Kind
    id: str
    secret_hash: str


def new_token(kind: Kind) -> tuple[str, TokenParts]:
    """Returns a new token with 256 random bits, which is shown once, and its parts."""
    id_, secret = secrets.token_hex(ID_BYTES), new_secret()
    return f"ty_{kind.value}_{id_}_{secret}", TokenParts(kind, id_, hashed(secret))


def new_password() -> tuple[str, TokenParts]:
    """Returns a new password of an agent's user in Redis, which is shown once, and its parts.

    What is stored is the hash of the whole, as Redis wants it: so it is no token for the API, whose hash is of a part.
    """
    text, parts = new_token(Kind.AGENT)
    return text, parts._replace(secret_hash=hashed(text))


def parse_token(text: object) -> TokenParts | None:
    """Returns the parts of a token; None if the text can be none."""
    found = _TOKEN.fullmatch(text) if isinstance(text, str) else None
    return None if found is None else TokenParts(Kind(found[1]), found[2], hashed(found[3]))


def is_token_id(text: object) -> bool:
    """Returns True if a text looks like the id of a token."""
    return isinstance(text, str) and _ID.fullmatch(text) is not None


def check_days(value: object) -> float:
    """Returns for how many days a token is valid; raises SubmissionError."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= MAX_DAYS:
        raise refused("days", value, msg("more than 0 and at most {most:.0f} days", most=MAX_DAYS))
    return float(value)
