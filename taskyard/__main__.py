"""The command line: `taskyard`, or `python -m taskyard`."""

from __future__ import annotations


def main() -> None:
    """Runs the command line, and ends the process with its exit code."""
    from taskyard.worker.process.first_process import stand_apart_as_first

    stand_apart_as_first()  # before anything has threads

    from taskyard.worker.cli.app import main as run

    run()


if __name__ == "__main__":
    main()
