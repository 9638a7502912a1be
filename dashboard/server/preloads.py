"""Names the parts of Streamlit's client that a page shows first: a browser then asks for them together with the page.

By itself the client loads the code of a kind of element when the first one arrives, in two or three rounds of up to 60
files. Which files belong to a kind is in its main script, as Vite wrote it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import streamlit

ALWAYS = ("ButtonGroup", "Checkbox", "Html", "Metric", "PageLink", "Selectbox", "TextInput")
TABLE = "DataFrame"
WITH_TABLES = frozenset({"access", "audit", "failures", "learning", "reports", "submit", "tasks", "webhooks"})
_CLIENT = Path(streamlit.__file__).parent / "static"
_MAIN = re.compile(r'src="\./static/js/(index\.[^"]+\.js)"')
_FILES = re.compile(r"m\.f=(\[[^\]]*\])")
_KIND = r"import\(`\./{kind}\.[^`]+`\).{{0,40}}?__vite__mapDeps\(\[([\d,]+)\]\)"


def preload_tags(page: str) -> bytes:
    """Returns the tags for a page's head; none if this release of Streamlit is built in another way."""
    return _tags(page in WITH_TABLES)


@lru_cache(maxsize=2)
def _tags(has_tables: bool) -> bytes:
    kinds = (*ALWAYS, TABLE) if has_tables else ALWAYS
    files = dict.fromkeys(name for kind in kinds for name in files_of(kind))
    return "".join(f'<link rel="modulepreload" crossorigin href="./static/js/{name}">' for name in files).encode()


def files_of(kind: str) -> Iterator[str]:
    """Yields the scripts that a kind of element needs, without those that Streamlit's page names itself."""
    page, files, main = _client()
    found = re.search(_KIND.format(kind=kind), main)
    for number in found[1].split(",") if found and files else ():
        name = files[int(number)].removeprefix("./")
        if name.endswith(".js") and name not in page:
            yield name


@lru_cache(maxsize=1)
def _client() -> tuple[str, list[str], str]:
    """Returns Streamlit's page, the files that its main script may load, and that script."""
    page = (_CLIENT / "index.html").read_text("utf-8")
    name = _MAIN.search(page)
    main = (_CLIENT / "static" / "js" / name[1]).read_text("utf-8") if name else ""
    files = _FILES.search(main)
    return page, json.loads(files[1]) if files else [], main
