"""The command line where its output goes nowhere: a reader that has gone, a full disk, a closed descriptor."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.servers import REPOSITORY

COMMAND = f"{sys.executable} -m taskyard types --json"
TABLE = f"{sys.executable} -m taskyard types"


@pytest.mark.parametrize(
    ("shell", "status", "said"),
    [
        (f"{COMMAND} > /dev/full", 74, "error: the output can't be written: No space left on device\n"),
        (f"{COMMAND} >&-", 0, ""),
        (f"{COMMAND} 2>&-", 0, ""),
        (f"set -o pipefail; {{ sleep 0.2; {COMMAND}; }} | true", 141, ""),
        (f"set -o pipefail; {{ sleep 0.2; {TABLE}; }} | true", 141, ""),
        (f"set -o pipefail; {{ sleep 0.2; {TABLE} --help; }} | true", 141, ""),
    ],
)
def test_no_trace_and_an_exit_code_of_its_own(shell: str, status: int, said: str) -> None:
    done = subprocess.run(["bash", "-c", shell], cwd=REPOSITORY, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (status, said)
