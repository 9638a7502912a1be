"""Knows the sites whose hosts may dial in, each by a key of its own, from a file that may change while agents run.

The file is TOML, a line for each site: `berlin = "…"`. A host never shows its site's key: each of its seats has a key
that is made of it and of the seat's id.
"""

from __future__ import annotations

import re
import threading
import tomllib
from collections import OrderedDict
from pathlib import Path

from taskyard.worker.engines.engine import EngineProblem

SITE = re.compile(r"[a-z][a-z0-9_-]{0,40}")
MIN_KEY_LENGTH, MAX_KEY_LENGTH = 32, 1024  # characters
MAX_FILE_BYTES = 1 << 20
REMEMBERED_SEATS = 10_000
EXPECTED_KEY = f"expected {MIN_KEY_LENGTH} to {MAX_KEY_LENGTH} characters, such as `openssl rand -hex 32` makes"


def read_sites(path: str) -> dict[str, str]:
    """Returns the key of each site. Raises EngineProblem; no key is in its text."""
    try:
        with Path(path).open("rb") as file:
            found = tomllib.loads(file.read(MAX_FILE_BYTES).decode("utf-8"))
    except (OSError, ValueError) as error:
        raise EngineProblem(f'expected a TOML file with lines such as berlin = "KEY": {error}') from None
    if not found:
        raise EngineProblem('it names no site: expected lines such as berlin = "KEY"')
    for site, key in found.items():
        if not SITE.fullmatch(site):
            raise EngineProblem(f"site {site!r}: expected 1 to 41 lower-case letters, digits, _ or -, a letter first")
        if not isinstance(key, str) or not MIN_KEY_LENGTH <= len(key) <= MAX_KEY_LENGTH:
            raise EngineProblem(f"the key of site {site!r} is not accepted: {EXPECTED_KEY}")
    return found


def seat_id_at(site: str, number: str) -> str:
    """Returns the id of one start of a seat at a site; `number` is used once."""
    return f"{site}-{number}"


class UsedSeats:
    """The ids of a site's seats that were admitted: each is, once. The oldest are forgotten."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ids: OrderedDict[str, None] = OrderedDict()

    def use(self, seat_id: str) -> bool:
        """Returns True if an id was not used before; from now on it is."""
        with self._lock:
            if seat_id in self._ids:
                return False
            self._ids[seat_id] = None
            if len(self._ids) > REMEMBERED_SEATS:
                self._ids.popitem(last=False)
            return True
