"""Runs the process of one agent: `python -m taskyard.worker.agents.main PIPE SPEC`, started by the pool.

It makes the processes of further agents, if its standard input has any (siblings.py).
Ends with 0 after a drain, EXIT_REFUSED if the API does not accept its token, EXIT_REPLACE if it must be replaced: it
was fenced, a thread is stuck, or an operator asked for a restart, which drains like SIGTERM. On SIGUSR1 it finishes
what it runs, for as long as that takes, and ends. A second SIGTERM ends at once; SIGINT is left to the supervisor, so
that Ctrl-C drains in order.
"""

from __future__ import annotations

import gc
import os
import sys

if __name__ == "__main__":
    gc.disable()  # until it has imported what stays
    from taskyard.core.lean_imports import load_structlog_alone

    load_structlog_alone()
    from taskyard.worker.agents.process import main

    code = main(int(sys.argv[1]), sys.argv[2])
    sys.stdout.flush()
    # threads of handlers that could not be stopped must not hold the process
    os._exit(code)
