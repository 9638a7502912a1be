"""Stores lines that survive any death: appended in one write, synced before the writer goes on."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import orjson


def append(path: Path, record: Any) -> None:
    """Appends one JSON line; it is on the disk when this returns. Several processes may append."""
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        os.write(file, orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE))
        os.fsync(file)
    finally:
        os.close(file)


def read(path: Path) -> list[Any]:
    """Returns every whole line; a last one that was cut off by a death is left out."""
    if not path.exists():
        return []
    lines = path.read_bytes().split(b"\n")
    return [orjson.loads(line) for line in lines[:-1] if line]
