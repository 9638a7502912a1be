"""The signatures of the public API, each with an example."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from typing import Any

import taskyard
from taskyard.core.submission.options import SubmitOptions

EXAMPLES = {
    "submit": 'task_id = submit("code.run", {"code": "print(1)"}, queue="reports", priority="high")',
    "submit_many": 'ids = submit_many([{"type": "acme.book", "input": {"sku": "a"}}, {"type": "diagnostic.noop"}])',
    "submit_workflow": 'nightly = submit_workflow("nightly", {"a": task("acme.a"), "b": task("acme.b", ref("a"))})',
    "submit_group": 'pages = submit_group("pages", [task("acme.page", {"number": n}) for n in range(200)])',
    "task": 'task("acme.b", {"rows": ref("a", "rows")}, after=["c"], when="completed", queue="nightly")',
    "ref": 'ref("extract", "rows", 0)',
    "ref_all": 'ref_all("pages")',
    "result": "done = result(task_id, timeout_seconds=60)\nprint(done.state, done.output)",
    "cancel": 'cancel(task_id, actor="ann", reason="wrong data")',
    "retry": 'retry(task_id, actor="ann", reason="the disk is back")',
    "reprioritise": 'reprioritise(task_id, "urgent", actor="ann")',
    "task_type": '@task_type("acme.book", timeout_seconds=60, retry=RetryPolicy(max_attempts=5))\n'
    "def book(order: Order, context: TaskContext) -> Receipt: ...",
    "RetryPolicy": "RetryPolicy(max_attempts=5, backoff_seconds=2.0)",
}


def python() -> Iterator[str]:
    """Every function with its signature and an example, and what the classes and errors are."""
    for name, example in EXAMPLES.items():
        value = getattr(taskyard, name)
        yield f"### {name}"
        yield ""
        yield "```text"
        yield _signature(name, value)
        yield "```"
        yield ""
        yield _first(value)
        if name == "submit":
            yield ""
            yield f"Options: {', '.join(f'`{option}`' for option in SubmitOptions.__annotations__)}."
        yield ""
        yield "```python"
        yield example
        yield "```"
        yield ""
    yield "| name | what it is |"
    yield "|---|---|"
    for name in taskyard.__all__:
        if name not in EXAMPLES:
            yield f"| `{name}` | {_first(getattr(taskyard, name))} |"


def _signature(name: str, value: Any) -> str:
    text = re.sub(r"(: |-> )'([^']*)'", r"\1\2", str(inspect.signature(value)))
    text = re.sub(r"frozenset\(\{.*?\}\)", "…", text)
    text = re.sub(r"RetryPolicy\([^)]+\)", "RetryPolicy()", text)
    text = re.sub(r"\b(?:[a-z_]+\.)+([A-Z]\w*)", r"\1", text)  # types by their own names
    return f"{name}{text}"


def _first(value: Any) -> str:
    """The first paragraph of a docstring on one line."""
    return " ".join((inspect.getdoc(value) or "").split("\n\n")[0].split()).replace("|", "\\|")
