"""Makes the parts of a workflow's definition, which is plain data: what a JSON file or a request has, too (pure)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

REF, REF_ALL, LITERAL, AT = "$ref", "$ref_all", "$literal", "at"


def task(
    type: str, input: Any = None, *, after: Iterable[str] = (), when: str | None = None, **options: Any
) -> dict[str, Any]:
    """Returns a task of a workflow.

    `input` may hold references (`ref`, `ref_all`), which imply that it starts after those tasks. `after` names keys of
    tasks or groups that it starts after besides, and `when` how these must end: completed (the default), ended or
    failed. `options` are title, queue, priority, timeout_seconds, max_attempts, delay_seconds, run_at and requires.
    """
    made: dict[str, Any] = {"type": type, **options}
    if input is not None:
        made["input"] = input
    if after:
        made["after"] = [after] if isinstance(after, str) else list(after)
    if when is not None:
        made["when"] = when
    return made


def ref(key: str, *path: str | int) -> dict[str, str]:
    """Returns a reference to the output of the task with this key, or to a part of it: names and indices from 0."""
    if not path:
        return {REF: key}
    return {REF: key, AT: pointer_text(tuple(map(str, path)))}


def ref_all(group: str) -> dict[str, str]:
    """Returns a reference to the list of the outputs of a group's tasks, in the order of their submission."""
    return {REF_ALL: group}


def pointer_text(tokens: tuple[str, ...]) -> str:
    """Returns the JSON pointer (RFC 6901) of tokens."""
    return "".join("/" + token.replace("~", "~0").replace("/", "~1") for token in tokens)
