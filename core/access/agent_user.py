"""Defines an agent with credentials of its own: its user in Redis, and the URL that it gets."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote, urlsplit, urlunsplit


@dataclass(frozen=True, slots=True)
class AgentUser:
    """An agent's user in Redis: the SHA-256 of each valid password, in hexadecimal, and the types that it may get."""

    name: str
    types: tuple[str, ...]
    password_hashes: tuple[str, ...]


def url_of_user(url: str, user: str, password: str) -> str:
    """Returns a Redis URL with another user and password, in place of those that it has."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{quote(user, safe='')}:{quote(password, safe='')}@{host}"))
