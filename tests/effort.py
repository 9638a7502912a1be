"""How long the tests search: few examples in every run, and as many as an environment variable says when asked for.

Each is set by TASKYARD_TEST_ and its name, such as `TASKYARD_TEST_FUZZ_CASES=50000`.
"""

from __future__ import annotations

import os


def number(name: str, default: int) -> int:
    """Returns what TASKYARD_TEST_<name> says, or else `default`; raises ValueError for what is no whole number."""
    return int(os.environ.get(f"TASKYARD_TEST_{name}", default))


# Fuzzers of texts and files, of submissions, and of what is put into Redis; 50,000 take some minutes.
FUZZ_CASES = number("FUZZ_CASES", 300)
SUBMISSION_CASES = number("FUZZ_CASES", 700)
INTAKE_CASES = number("FUZZ_CASES", 1500)
SUBMISSION_SEED = number("FUZZ_SEED", 11)
INTAKE_SEED = number("FUZZ_SEED", 20)

ADDRESS_CASES = number("ADDRESS_CASES", 300)  # addresses of pages that are parsed
ADDRESS_PAGES = number("ADDRESS_PAGES", 6)  # pages that are opened by such addresses
ADDRESS_SEED = number("ADDRESS_SEED", 11)
BORDER_CASES = number("BORDER_CASES", 300)  # hosts and origins of requests
BULK_CASES = number("BULK_CASES", 300)  # rows of bulk files
DECLARATIONS = number("DECLARATIONS", 25)  # task types; 2,000 of each were tried
EXACT_VALUES = number("EXACT_VALUES", 60)  # values that go through a whole engine
FAMILY = number("FAMILY", 4000)  # tasks that wait for one; 20,000 take two seconds at most
HTTP_CASES = number("HTTP_CASES", 80)  # requests that are none
HTTP_SEED = number("HTTP_SEED", 11)
LOCK_SECONDS = float(os.environ.get("TASKYARD_TEST_LOCK_SECONDS", "1.5"))  # that each table stays locked
SEQUENCES = number("SEQUENCES", 40)  # of the state machine; 2,000 take four minutes
