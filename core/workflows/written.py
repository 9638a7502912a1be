"""Writes a workflow as YAML that reads back as it is (see core.workflows.files), to be edited by people (pure)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import yaml

from taskyard.core.workflows.files import reads_as_text

_WIDTH = 110  # columns
_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_. /-]*")


class _Dumper(yaml.SafeDumper):  # type: ignore[misc]  # PyYAML has no annotations
    """Quotes each text that the reader would take for something else; no aliases."""

    def ignore_aliases(self, data: object) -> bool:
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.Node:
    is_plain = _PLAIN.fullmatch(text) is not None and not text.endswith(" ") and reads_as_text(text)
    style = None if is_plain else "|" if "\n" in text.strip() else '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)


def written_workflow(given: Mapping[str, Any]) -> str:
    """Returns the text of a workflow's file: its name, title and tasks, as far as it has them."""
    document = {name: given[name] for name in ("name", "title", "tasks") if given.get(name) is not None}
    return str(yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=_WIDTH))
