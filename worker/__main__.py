"""`python -m worker`: the command line."""

from __future__ import annotations

from worker.first_process import stand_apart_as_first

if __name__ == "__main__":
    stand_apart_as_first()  # before anything has threads

    from worker.cli.app import main

    main()
