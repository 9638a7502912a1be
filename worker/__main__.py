"""Runs `python -m worker` in a checkout: the same command line as `taskyard`."""

from __future__ import annotations

from taskyard.__main__ import main

if __name__ == "__main__":
    main()
