"""Runs the command line: `taskyard`, or `python -m taskyard`."""

from __future__ import annotations

import gc
import os
import sys

from taskyard.extras import hint

NOT_INSTALLED = 2  # as for bad usage


def main() -> None:
    """Runs the command line, and ends the process with its exit code."""
    find_modules_here()

    from taskyard.worker.process.first_process import stand_apart_as_first

    stand_apart_as_first()  # before anything has threads

    try:
        _run(sys.argv[1:])
    except ModuleNotFoundError as error:
        lacking = hint(error, "".join(sys.argv[1:2]))
        if lacking is None:
            raise
        print(lacking, file=sys.stderr)
        sys.exit(NOT_INSTALLED)


def _run(arguments: list[str]) -> None:
    gc.disable()  # what is imported stays: to search it for garbage again and again takes a tenth of the start
    from taskyard.worker.cli import plain_run

    if plain_run.is_plain(arguments):
        plain_run.main(arguments)
    from taskyard.worker.cli import run

    if arguments and arguments[0] in run.NAMES:
        run.main(arguments[0])
    else:
        from taskyard.worker.cli import app

        gc.enable()
        app.main()


def find_modules_here() -> None:
    """Makes imports search the current folder too, where users' task modules may be.

    It comes last, so that a file there that is named like a library stands in nobody's way.
    """
    if not sys.flags.safe_path and not {"", os.getcwd()} & set(sys.path):
        sys.path.append(os.getcwd())


if __name__ == "__main__":
    main()
