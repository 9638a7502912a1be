"""Starts a program that must not outlive its parent.

`python -m taskyard.worker.isolation.launcher PARENT_PID PROGRAM …`
"""

from __future__ import annotations

import os
import sys

from taskyard.worker.isolation.process_tree import die_with_parent

if __name__ == "__main__":
    die_with_parent(int(sys.argv[1]))
    os.execvp(sys.argv[2], sys.argv[2:])
