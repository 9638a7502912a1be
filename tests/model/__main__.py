"""`python -m tests.model`: explores everything, then prints what goes wrong without each rule. Takes some minutes."""

from __future__ import annotations

import gc
import sys
import time

from tests.model.search import explore
from tests.model.settings import FULL_SETTINGS, table


def main() -> int:
    gc.disable()  # what the search keeps has no cycles, and looking for them takes a third of its time
    broken = False
    for name, setting in FULL_SETTINGS.items():
        began = time.monotonic()
        found = explore(setting)
        verdict = f"{found.wrong}: {' → '.join(found.trace)}" if found.wrong else "no promise is broken"
        print(f"{name}: {found.states:,} states in {time.monotonic() - began:.0f} s: {verdict}", flush=True)
        broken |= bool(found.wrong)
    print()
    for line in table():
        print(line, flush=True)
    return int(broken)


if __name__ == "__main__":
    sys.exit(main())
