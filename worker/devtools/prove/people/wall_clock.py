"""Provides a wall clock that can be set for some processes, by a small library that they are started with."""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
from pathlib import Path

SOURCE = Path(__file__).with_name("clock.c")
VARIABLE = "TASKYARD_PROVE_CLOCK"


class WallClock:
    """The clock of all processes that are started with `variables`; it is right until it is set."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "clock"
        self._library = folder / "clock.so"
        self._compiler = shutil.which("cc")

    @property
    def can_be_set(self) -> bool:
        """Returns True if there is a C compiler, which it needs."""
        return self._compiler is not None

    def make(self) -> None:
        """Compiles the library; raises subprocess.CalledProcessError."""
        self._file.write_bytes(struct.pack("d", 0.0))
        if self._compiler is not None:
            options = ("-shared", "-fPIC", "-O1", "-o", str(self._library), str(SOURCE), "-ldl")
            subprocess.run([self._compiler, *options], check=True)

    def variables(self) -> dict[str, str]:
        """Returns the environment variables that give a process this clock."""
        if self._compiler is None:
            return {}
        return {"LD_PRELOAD": str(self._library), VARIABLE: str(self._file)}

    def set(self, offset_seconds: float) -> None:
        """Sets it this many seconds off the right time."""
        file = os.open(self._file, os.O_WRONLY)  # in place: processes look at this very file
        try:
            os.pwrite(file, struct.pack("d", offset_seconds), 0)
        finally:
            os.close(file)
