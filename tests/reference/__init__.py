"""Reference pages that are made from the code: `python -m tests.reference` writes them anew.

A page has text written by hand around one part between `BEGIN` and `END`; only that part is made. Some files are made
as a whole. Tests ask that nothing is out of date, and `python -m tests.reference --check` says what is.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from types import SimpleNamespace
from typing import Any

from prometheus_client.metrics_core import Metric
from pydantic import BaseModel

from taskyard.core.alerts.kinds import KINDS
from taskyard.core.config import ENV_PREFIX, Settings
from taskyard.core.submission.bulk_file import FIELDS
from taskyard.core.task_types.registry import BUILTIN_MODULES, Registry, TaskType, registry
from taskyard.core.telemetry.live_snapshot import DispatcherLive, LiveSnapshot, MailLive, ServerLive
from taskyard.worker.devtools.bench import ratios
from taskyard.worker.monitor.families import Families
from taskyard.worker.monitor.process_families import ProcessFamilies
from taskyard.worker.monitor.recent import Recent
from taskyard.worker.monitor.webhook_families import WebhookFamilies
from tests.reference.alerts import alert_facts, alert_rules
from tests.reference.cli import cli
from tests.reference.http import http, openapi
from tests.reference.permissions import permissions
from tests.reference.python import python
from tests.reference.text import cell, prose
from tests.servers import REPOSITORY

DOCS = REPOSITORY / "docs"
BEGIN = "<!-- made by `python -m tests.reference`: do not edit -->"
END = "<!-- end of what is made -->"


def settings() -> Iterator[str]:
    """Every setting with its default."""
    yield "| setting | default | meaning |"
    yield "|---|---|---|"
    for name, field in Settings.model_fields.items():
        default = written(field.get_default(call_default_factory=True))
        text = (field.description or "").replace("|", "\\|")
        yield f"| `{ENV_PREFIX}{name.upper()}` | {f'`{default}`' if default else ''} | {text} |"


def written(default: object) -> str:
    """A default as it would be written in the environment; nothing for none."""
    if default is None or default == ():
        return ""
    if isinstance(default, tuple):
        return ",".join(map(str, default))
    if isinstance(default, bool | dict):
        return json.dumps(default)
    return f"{default:g}" if isinstance(default, float) else str(default)


def metrics() -> Iterator[str]:
    """Every metric of a worker or a host of agents, in the order of a scrape."""
    yield "| metric | type | labels | meaning |"
    yield "|---|---|---|---|"
    for family in families():
        suffix = "_total" if family.type == "counter" else ""
        labels = ", ".join(f"`{name}`" for name in family._labelnames)
        yield f"| `{family.name}{suffix}` | {family.type} | {labels} | {cell(family.documentation)} |"


def families() -> list[Metric]:
    """What `/metrics` can show, without values."""
    servers = [
        ServerLive("postgresql", True, "18", 0.001, {"size_bytes": 1}),
        ServerLive("redis", True, "7", 0.001, {"memory_bytes": 1}),
    ]
    dispatcher = DispatcherLive(**dict.fromkeys(DispatcherLive.__struct_fields__, 0))
    live = LiveSnapshot(1, 0.0, dispatcher, 0.0, [], [], 0.0, [], [], [], servers, [], mail=MailLive(0, 0.0, 0, []))
    pool: Any = SimpleNamespace(escapes=dict, unwell=list, size=0, starts={})
    duties: Any = SimpleNamespace(running_seconds=dict, failures={})
    engine = Families(Recent(0.0), lambda: live, lambda: True)
    return [*engine.collect(), *ProcessFamilies(pool, list, duties).collect(), *WebhookFamilies({}).collect()]


def task_types() -> Iterator[str]:
    """Every shipped task type with the fields of its input."""
    known = shipped().types
    for name in sorted(known):
        one = known[name]
        yield f"### {name}"
        yield ""
        yield prose(one.description)
        yield ""
        yield _facts(one)
        yield ""
        fields = one.input_model.model_fields
        if fields:
            yield from _fields(one.input_model)
            yield ""


def shipped() -> Registry:
    """The shipped task types alone, whatever else this process has imported."""
    registry.load()
    own = {name: one for name, one in registry.types.items() if one.handler.__module__ in BUILTIN_MODULES}
    return Registry(own)


def _facts(one: TaskType) -> str:
    facts = [
        f"isolation `{one.isolation.value}`",
        f"timeout {one.timeout_seconds:g} s",
        f"{one.retry.max_attempts} attempts",
    ]
    facts += [f"needs the tags {', '.join(f'`{tag}`' for tag in sorted(one.requires))}"] if one.requires else []
    facts += ["runs code"] if one.runs_code else []
    facts += ["reads files of the host"] if one.reads_host else []
    text = "; ".join(facts)
    return f"{text[0].upper()}{text[1:]}."


def _fields(model: type[BaseModel]) -> Iterator[str]:
    yield "| field of the input | default | meaning |"
    yield "|---|---|---|"
    for name, field in model.model_fields.items():
        default = "" if field.is_required() else f"`{_json(field.get_default(call_default_factory=True))}`"
        yield f"| `{name}` | {default} | {cell(field.description or '')} |"


def _json(value: object) -> str:
    plain = value.model_dump(mode="json") if isinstance(value, BaseModel) else value
    return json.dumps(plain, default=str).replace("|", "\\|")


def bulk_fields() -> Iterator[str]:
    """The columns of a bulk file."""
    yield ", ".join(f"`{name}`" for name in FIELDS)


def bench_history() -> Iterator[str]:
    """The last runs of `make bench`."""
    yield from ratios.table_of(ratios.runs_in(DOCS / "design" / ratios.FILE))


PARTS: dict[str, Callable[[], Iterable[str]]] = {
    "reference/settings": settings,
    "reference/cli": cli,
    "reference/http": http,
    "reference/permissions": permissions,
    "reference/metrics": metrics,
    "reference/task-types": task_types,
    "reference/alert-rules": alert_rules,
    "reference/python": python,
    "reference/bulk-files": bulk_fields,
    "design/benchmarks": bench_history,
    **{f"operations/alerts/{kind}": partial(alert_facts, kind) for kind in KINDS},
}
# Files that are made as a whole.
FILES: dict[str, Callable[[], str]] = {"reference/openapi.json": openapi}


def is_current(file: str) -> bool:
    """Whether a file that is made as a whole is as it would be made now."""
    return (DOCS / file).exists() and (DOCS / file).read_text() == FILES[file]()


def renewed(page: str) -> tuple[str, str]:
    """The page as it is, and as it should be."""
    text = (DOCS / f"{page}.md").read_text()
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise SystemExit(f"docs/{page}.md has no place for what is made: expected {BEGIN} and {END}")
    made = "\n".join(PARTS[page]()).strip()
    return text, f"{before}{BEGIN}\n\n{made}\n\n{END}{after}"
