"""`python -m tests.reference` writes the pages anew; with `--check` it says which are out of date."""

from __future__ import annotations

import sys

from tests.reference import DOCS, FILES, PARTS, is_current, renewed


def main() -> int:
    """Writes the pages, or with --check names those that are out of date."""
    stale = [page for page in PARTS if len(set(renewed(page))) > 1]
    old = [file for file in FILES if not is_current(file)]
    if "--check" in sys.argv[1:]:
        for name in [*(f"{page}.md" for page in stale), *old]:
            print(f"docs/{name} is out of date: python -m tests.reference", file=sys.stderr)
        return int(bool(stale or old))
    for page in stale:
        (DOCS / f"{page}.md").write_text(renewed(page)[1])
    for file in old:
        (DOCS / file).write_text(FILES[file]())
    return 0


if __name__ == "__main__":
    sys.exit(main())
