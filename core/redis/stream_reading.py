"""Reads streams in portions, so that one read is bounded in bytes as well as in entries."""

from __future__ import annotations

from collections.abc import Mapping

from taskyard.core.redis.key_repair import FIRST_ODD_MS
from taskyard.core.redis.raw_commands import RawCommands

Entry = tuple[bytes, list[bytes]]  # id, its fields: name, value …
FIRST_PIECE = 3  # entries of each stream in the first round trip; a writer keeps one below some megabytes
PIECE = 64  # in a later one, fewer where those before were large
MAX_READ_BYTES = 2 << 20  # a reader continues with what it has after this many bytes


def read_streams(
    raw_commands: RawCommands, streams: Mapping[str, bytes], block_ms: int | None, count: int
) -> tuple[list[list[Entry]], list[str]]:
    """Returns entries after a position in each stream, in order, and the streams with ids that are no times.

    Waits for the first unless `block_ms` is None. Ends with `count` entries of a stream, with READ_LIMIT_BYTES in
    total, or before the first entry with such an id. Raises redis-py's errors.
    """
    found: dict[str, list[Entry]] = {name: [] for name in streams}
    positions = dict(streams)
    size, odd = 0, []
    piece = FIRST_PIECE
    while positions and size < MAX_READ_BYTES:
        block = () if block_ms is None or size else ("BLOCK", block_ms)
        asked = min(piece, *(count - len(found[name]) for name in positions))
        answer = raw_commands.command("XREAD", "COUNT", asked, *block, "STREAMS", *positions, *positions.values())
        block_ms = None
        arrived = {name.decode(): entries for name, entries in answer or ()}
        for name in list(positions):
            entries = arrived.get(name, ())
            for entry, fields in entries:
                if int(entry.partition(b"-")[0]) >= FIRST_ODD_MS:
                    odd.append(name)
                    break
                found[name].append((entry, fields))
                size += len(fields[1])
            if len(entries) < asked or name in odd or len(found[name]) >= count:
                del positions[name]
            else:
                positions[name] = found[name][-1][0]
        piece = _next_piece(size, sum(map(len, found.values())))
    return list(found.values()), odd


def _next_piece(size: int, entries: int) -> int:
    """Returns how many more entries fit, assuming the size of earlier ones: at least one."""
    return max(1, min(PIECE, (MAX_READ_BYTES - size) * entries // max(size, 1)))
