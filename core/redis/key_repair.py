"""Removes foreign values that occupy keys of the engine, so that the engine can use the keys again.

Redis holds only what can be rebuilt from PostgreSQL, so anything else may be removed.
"""

from __future__ import annotations

from redis.exceptions import ResponseError

from taskyard.core.redis.connection import Client
from taskyard.core.redis.keys import Keys
from taskyard.core.redis.quarantine import Odd
from taskyard.core.redis.raw_commands import RawCommands, Script

FIRST_ODD_MS = 1 << 62  # a stream's entry with such a time got its id from no clock
SAMPLE_BYTES = 1_000
_PAGE = 1_000
_MENDABLE = ("WRONGTYPE", "exhausted the last possible ID", "smaller than the target stream top item")


def is_mendable(error: ResponseError) -> bool:
    """Returns True if a command was refused because of a key's content."""
    return any(sign in str(error) for sign in _MENDABLE)


class KeyRepair:
    """Checks one installation's keys. Raises redis-py's errors."""

    def __init__(self, client: Client, keys: Keys, raw_commands: RawCommands, renumber: Script) -> None:
        self._redis = client
        self._keys = keys
        self._raw_commands = raw_commands
        self._renumber = renumber

    def mend(self) -> list[Odd]:
        """Removes every key whose type does not fit its name, and makes streams accept entries again."""
        found = []
        for key in self._redis.scan_iter(f"{self._keys.prefix}*", count=_PAGE):
            wanted = self._wanted(key)
            if wanted is None:
                continue
            try:
                found += self._mended(key, wanted)
            except ResponseError as error:
                # it changed between two commands: whoever still meets it checks again
                if not is_mendable(error) and "no such key" not in str(error):
                    raise
        return found

    def _mended(self, key: bytes, wanted: str) -> list[Odd]:
        kind = self._redis.type(key)
        if kind == wanted.encode():
            return [self._renumbered(key)] if wanted == "stream" and self._is_full(key) else []
        return [] if kind == b"none" else [self._removed(key, kind.decode(), wanted)]

    def renumber(self, key: str) -> Odd:
        """Gives new ids to the entries of a stream whose ids are no times."""
        return self._renumbered(key.encode())

    def _wanted(self, key: bytes) -> str | None:
        """Returns the type that a key of this name has; None if it is not one of the engine's."""
        name = key.decode(errors="replace").removeprefix(self._keys.prefix)
        return _TYPES.get(name.partition(":")[0] + (":" if ":" in name else ""))

    def _is_full(self, key: bytes) -> bool:
        info = self._raw_commands.command("XINFO", "STREAM", key)
        last = dict(zip(info[::2], info[1::2], strict=True))[b"last-generated-id"]
        return int(last.partition(b"-")[0]) >= FIRST_ODD_MS

    def _renumbered(self, key: bytes) -> Odd:
        self._renumber(keys=[key, self._keys.nothing], args=[f"{FIRST_ODD_MS}-0"])  # type: ignore[list-item]
        return Odd("key", self._name(key), "the last entry's id was no server time: entries got new ids")

    def _removed(self, key: bytes, kind: str, wanted: str) -> Odd:
        text = b""
        if kind == "string":
            text = self._redis.getrange(key, 0, SAMPLE_BYTES - 1)
        self._redis.delete(key)
        return Odd("key", self._name(key), f"it held a {kind} and not a {wanted}: it was removed", text)

    def _name(self, key: bytes) -> str:
        return key.decode(errors="backslashreplace").removeprefix(self._keys.prefix)


_TYPES = {
    "lanes": "set",
    "due": "zset",
    "results": "stream",
    "results:": "stream",
    "reporters": "set",
    "boots:": "set",
    "wake": "stream",
    "agents": "set",
    "canary": "string",
    "epoch": "string",
    "generation": "string",
    "generation:": "string",
    "quarantine": "stream",
    "ready:": "zset",
    "inbox:": "stream",
    "agent:": "string",
    "fenced:": "string",
    "messages:": "stream",
    "dead:": "stream",
    "mailboxes": "set",
    "predictions": "hash",
    "learning": "string",
    "awaited": "set",
    "ended:": "stream",
}
