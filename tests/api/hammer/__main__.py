"""Runs `python -m tests.api.hammer [CASES] [SEED]` on servers of its own, and prints what it found."""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from taskyard.core.config import load_settings
from taskyard.core.embedded.servers import EmbeddedServers
from taskyard.core.postgres.migrations import migrate
from tests.api.hammer.scene import hammer_of
from tests.client.apis import running_api

CASES, SEED = 50_000, 1
EXAMPLES = 12  # for each operation and kind of data, in one round


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
        with running_api(settings) as api:
            hammer = hammer_of(settings, api.url)
            while hammer.findings.cases < cases:
                hammer.run(EXAMPLES, number)
                number += 1
                print(f"{hammer.findings.cases:,} cases, {len(hammer.findings.wrong)} findings", flush=True)
    found = hammer.findings
    for kind, example in sorted(found.wrong.items()):
        print(f"{kind}\n    {example}")
    print(f"{found.cases:,} cases in {time.monotonic() - began:.0f} s: {dict(sorted(found.statuses.items()))}")
    return 1 if found.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
