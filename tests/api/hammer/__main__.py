"""Runs `python -m tests.api.hammer [CASES] [SEED]` on servers of its own, and prints what it found.

After each round it prints how many of each status each sender got; the exit code is 1 if any answer was wrong.
"""

from __future__ import annotations

import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

from taskyard.core.config import load_settings
from taskyard.core.embedded.servers import EmbeddedServers
from taskyard.core.postgres.migrations import migrate
from tests.api.hammer.cases import Findings
from tests.api.hammer.scene import ENVIRONMENT, Scene, hammer_of
from tests.client.apis import running_api

CASES, SEED = 50_000, 1
EXAMPLES = 25  # for each operation and kind of data, in one round


def main() -> int:
    """Returns the exit code: 1 if any answer was wrong."""
    cases = int(sys.argv[1]) if len(sys.argv) > 1 else CASES
    number = int(sys.argv[2]) if len(sys.argv) > 2 else SEED
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder, EmbeddedServers(Path(folder)) as servers:
        migrate(servers.database_url)
        settings = load_settings(
            database_url=servers.database_url, redis_url=servers.redis_url, namespace="hammer", data_dir=Path(folder)
        )
        log = Path(folder) / "api.log"
        with (
            closing(Scene(settings)) as scene,
            running_api(settings, environment=ENVIRONMENT, log=log) as api,
            closing(hammer_of(scene, api.url, log)) as hammer,
        ):
            found = hammer.findings
            while found.cases < cases:
                hammer.run(EXAMPLES, number)
                print(f"seed {number}: {found.cases:,} cases in {time.monotonic() - began:.0f} s", flush=True)
                number += 1
                _print_findings(found)
    return 1 if found.wrong else 0


def _print_findings(found: Findings) -> None:
    for kind, example in sorted(found.wrong.items()):
        print(f"{kind}\n    {example}")
    for sender in sorted({name for name, _status in found.statuses}):
        print(f"    {sender}: {found.of(sender)}")
    print(f"    never accepted: {sorted(found.never_accepted)}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
