"""`python -m tests.reference` writes the pages anew; with `--check` it says which are out of date."""

from __future__ import annotations

import sys

from tests.reference import DOCS, PARTS, renewed


def main() -> int:
    """Writes the pages, or with --check names those that are out of date."""
    stale = [page for page in PARTS if len(set(renewed(page))) > 1]
    if "--check" in sys.argv[1:]:
        for page in stale:
            print(f"docs/{page}.md is out of date: python -m tests.reference", file=sys.stderr)
        return int(bool(stale))
    for page in stale:
        (DOCS / f"{page}.md").write_text(renewed(page)[1])
    return 0


if __name__ == "__main__":
    sys.exit(main())
