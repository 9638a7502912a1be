"""How many cases a fuzzer tries: few in every run, TASKYARD_TEST_FUZZ_CASES of them (say 50,000) when asked for."""

from __future__ import annotations

import os

CASES = int(os.environ.get("TASKYARD_TEST_FUZZ_CASES", "300"))
