"""Holds the worker process (queue, scheduler, monitor and agents) and the command line that starts it."""

import sys

if __name__ != "taskyard.worker":
    if sys.argv[0] != "-m":  # the state while `python -m worker` looks for the module to run
        raise ImportError("import taskyard.worker instead: this folder is a part of that package")
    import taskyard.worker

    sys.modules[__name__] = taskyard.worker  # one module, whatever its name
