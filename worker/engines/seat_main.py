"""The command of a seat: `python -m taskyard.worker.engines.seat_main HOST:PORT ID`; see `seat`.

An engine starts it, on a node that may lack what a seat needs: then one line says what to install there.
"""

from __future__ import annotations

import sys

from taskyard.extras import hint

SEAT_MODULE = "taskyard.worker.engines.seat_main"


def main(arguments: list[str]) -> int | str:
    """Runs a seat; returns the exit code, or what is lacking: `sys.exit` writes that, with exit code 1."""
    try:
        from taskyard.worker.engines.seat import main as run
    except ModuleNotFoundError as error:
        lacking = hint(error, "seats")
        if lacking is None:
            raise
        return lacking
    return run(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
