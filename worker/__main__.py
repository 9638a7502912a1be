"""`python -m worker`: the command line."""

from __future__ import annotations

from worker.cli.app import main

if __name__ == "__main__":
    main()
