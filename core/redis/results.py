"""Names entries of the results: those of an agent with credentials of its own are in a stream of its own.

An entry is its id, and for such an agent a space and its name. Nobody else can write to that stream, so that the
sender is known whatever a report says.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def sender_of(entry: bytes) -> str | None:
    """Returns the agent whose own results an entry is from; None: anybody's."""
    return name.decode() if (name := entry.partition(b" ")[2]) else None


def by_stream(entries: Sequence[bytes]) -> list[Any]:
    """Returns counted lists: ids of the results, then agents with the ids of their own."""
    common = [entry for entry in entries if b" " not in entry]
    found: list[Any] = [len(common), *common, 0]
    if len(common) < len(entries):
        own: dict[bytes, list[bytes]] = {}
        for entry in entries:
            id_, _, name = entry.partition(b" ")
            if name:
                own.setdefault(name, []).append(id_)
        found[-1] = len(own)
        for name, ids in own.items():
            found += [name, len(ids), *ids]
    return found
