"""Reference pages that are made from the code: `python -m tests.reference` writes them anew.

A page has text written by hand around one part between `BEGIN` and `END`; only that part is made. A test asks
that no part is out of date, and `python -m tests.reference --check` says which are.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from types import SimpleNamespace
from typing import Any

import typer
from prometheus_client.metrics_core import Metric
from pydantic import BaseModel

from taskyard.core.alerts.kinds import KINDS
from taskyard.core.alerts.rules import load_rules
from taskyard.core.config import ENV_PREFIX, Settings
from taskyard.core.submission.bulk_file import FIELDS
from taskyard.core.task_types.registry import BUILTIN_MODULES, Registry, TaskType, registry
from taskyard.core.telemetry.live_snapshot import DispatcherLive, LiveSnapshot, MailLive, ServerLive
from taskyard.worker.cli.app import PROGRAM, app
from taskyard.worker.cli.exits import EXIT_CODES
from taskyard.worker.monitor.families import Families
from taskyard.worker.monitor.process_families import ProcessFamilies
from taskyard.worker.monitor.recent import Recent
from tests.servers import REPOSITORY

DOCS = REPOSITORY / "docs"
BEGIN = "<!-- made by `python -m tests.reference`: do not edit -->"
END = "<!-- end of what is made -->"
COMMAND = "taskyard"


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


def cli() -> Iterator[str]:
    """Every command with its arguments and options."""
    root = typer.main.get_command(app)
    groups: dict[str, list[Any]] = {}
    for command in root.commands.values():
        groups.setdefault(command.rich_help_panel or "", []).append(command)
    for group, commands in groups.items():
        yield f"## {group}"
        yield ""
        for command in commands:
            yield from _command(command, f"{COMMAND} {command.name}", "###")
    yield "## Exit codes"
    yield ""
    yield "| code | meaning |"
    yield "|---|---|"
    for code, meaning in EXIT_CODES.items():
        yield f"| {code} | {meaning} |"


def _command(command: Any, path: str, heading: str) -> Iterator[str]:
    yield f"{heading} {path}"
    yield ""
    yield _prose(command.help or "")
    yield ""
    nested = getattr(command, "commands", {})
    if not nested:
        yield "```text"
        yield " ".join([path, *(piece for parameter in command.params for piece in _usage(parameter))])
        yield "```"
        yield ""
    shown = [parameter for parameter in command.params if not getattr(parameter, "hidden", False)]
    if shown:
        yield "| argument or option | meaning |"
        yield "|---|---|"
        for parameter in shown:
            yield f"| {_parameter(parameter)} | {_cell(parameter.help or '')}{_default(parameter)} |"
        yield ""
    if example := _examples(command.epilog or ""):
        yield "```sh"
        yield from example
        yield "```"
        yield ""
    for name, one in nested.items():
        yield from _command(one, f"{path} {name}", heading + "#")


def _usage(parameter: Any) -> Iterator[str]:
    if parameter.param_type_name == "argument":
        name = _argument(parameter)
        yield name if parameter.required else f"[{name}]"
    elif parameter.required:
        yield f"{parameter.opts[0]} {parameter.metavar or parameter.name.upper()}"
    else:
        yield f"[{parameter.opts[0]}]" if _is_flag(parameter) else f"[{parameter.opts[0]} {_value(parameter)}]"


def _parameter(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        return f"`{_argument(parameter)}`"
    names = ", ".join(f"`{name}`" for name in (*parameter.opts, *parameter.secondary_opts))
    return names if _is_flag(parameter) else f"{names} `{_value(parameter)}`"


def _argument(parameter: Any) -> str:
    return (parameter.metavar or parameter.name.upper()).replace("[", "").replace("]", "")


def _is_flag(parameter: Any) -> bool:
    return bool(getattr(parameter, "is_flag", False)) or parameter.type_descriptor.annotation is bool


def _value(parameter: Any) -> str:
    if parameter.metavar:
        return str(parameter.metavar)
    annotation = parameter.type_descriptor.annotation
    return {int: "NUMBER", float: "NUMBER"}.get(annotation, parameter.name.upper())


def _default(parameter: Any) -> str:
    default = parameter.default
    if default in (None, False, "", ()) or not parameter.show_default or callable(default):
        return ""
    return f" Default: `{getattr(default, 'value', default)}`."


def _examples(epilog: str) -> list[str]:
    """The lines of an epilog that are commands, under the command's own name."""
    lines = [line.strip().removeprefix("Example: ").removeprefix("Examples:").strip() for line in epilog.split("\n")]
    named = (line.replace(PROGRAM, COMMAND).replace("python -m worker", COMMAND) for line in lines)
    return [line for line in named if line.startswith(COMMAND)]


def _prose(text: str) -> str:
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in text.split("\n\n"))


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def metrics() -> Iterator[str]:
    """Every metric of a worker or a host of agents, in the order of a scrape."""
    yield "| metric | type | labels | meaning |"
    yield "|---|---|---|---|"
    for family in families():
        suffix = "_total" if family.type == "counter" else ""
        labels = ", ".join(f"`{name}`" for name in family._labelnames)
        yield f"| `{family.name}{suffix}` | {family.type} | {labels} | {_cell(family.documentation)} |"


def families() -> list[Metric]:
    """What `/metrics` can show, without values."""
    servers = [
        ServerLive("postgresql", True, "18", 0.001, {"size_bytes": 1}),
        ServerLive("redis", True, "7", 0.001, {"memory_bytes": 1}),
    ]
    dispatcher = DispatcherLive(**dict.fromkeys(DispatcherLive.__struct_fields__, 0))
    live = LiveSnapshot(1, 0.0, dispatcher, 0.0, [], [], 0.0, [], [], [], servers, [], mail=MailLive(0, 0.0, 0, []))
    pool: Any = SimpleNamespace(escapes=dict, unwell=list, specs=[], starts={})
    duties: Any = SimpleNamespace(running_seconds=dict, failures={})
    engine = Families(Recent(0.0), lambda: live, lambda: True)
    return [*engine.collect(), *ProcessFamilies(pool, list, duties).collect()]


def task_types() -> Iterator[str]:
    """Every shipped task type with the fields of its input."""
    known = shipped().types
    for name in sorted(known):
        one = known[name]
        yield f"### {name}"
        yield ""
        yield _prose(one.description)
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
        yield f"| `{name}` | {default} | {_cell(field.description or '')} |"


def _json(value: object) -> str:
    plain = value.model_dump(mode="json") if isinstance(value, BaseModel) else value
    return json.dumps(plain, default=str).replace("|", "\\|")


def alert_rules() -> Iterator[str]:
    """Every kind of rule with the shipped rule of it."""
    shipped_by_kind = {rule.kind: rule for rule in load_rules(None, None).rules}
    yield "| kind | measures | shipped rule | severity | fires at | clears below | for |"
    yield "|---|---|---|---|---|---|---|"
    for name, kind in KINDS.items():
        rule = shipped_by_kind.get(name)
        facts = ["", "", "", "", ""]
        if rule is not None:
            limits = [f"{rule.threshold:g}", f"{rule.clear:g}"] if kind.has_threshold else ["", ""]
            facts = [rule.name, rule.severity, *limits, f"{rule.for_seconds:g} s" if rule.for_seconds else ""]
        yield f"| [`{name}`](../operations/alerts/{name}.md) | {kind.measures} | {' | '.join(facts)} |"


def alert_facts(kind: str) -> Iterator[str]:
    """The shipped rules of a kind, as its runbook page shows them."""
    known = KINDS[kind]
    for rule in load_rules(None, None).rules:
        if rule.kind != kind:
            continue
        fires, clears = "as soon as it is so", "it is no longer so"
        if known.has_threshold:
            fires, clears = f"{rule.threshold:g} or more", f"below {rule.clear:g}"
        if rule.for_seconds:
            fires += f", for {rule.for_seconds:g} s"
        yield f"| Rule | `{rule.name}` |"
        yield "|---|---|"
        yield f"| Kind | `{kind}` |"
        yield f"| Severity | {rule.severity} |"
        yield f"| Measures | {known.measures} |"
        if known.window_seconds is not None:
            yield f"| Window | the last {rule.window_seconds:g} s |"
        if known.least_count is not None:
            yield f"| Judged from | {rule.least_count} attempts in the window |"
        if known.expected_hours is not None:
            yield f"| Expected | a submission in each of the last {rule.expected_hours} hours |"
        yield f"| Fires | {fires} |"
        yield f"| Resolves | {clears} |"


def bulk_fields() -> Iterator[str]:
    """The columns of a bulk file."""
    yield ", ".join(f"`{name}`" for name in FIELDS)


PARTS: dict[str, Callable[[], Iterable[str]]] = {
    "reference/settings": settings,
    "reference/cli": cli,
    "reference/metrics": metrics,
    "reference/task-types": task_types,
    "reference/alert-rules": alert_rules,
    "reference/bulk-files": bulk_fields,
    **{f"operations/alerts/{kind}": partial(alert_facts, kind) for kind in KINDS},
}


def renewed(page: str) -> tuple[str, str]:
    """The page as it is, and as it should be."""
    text = (DOCS / f"{page}.md").read_text()
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"docs/{page}.md has no place for what is made: expected {BEGIN} and {END}")
    made = "\n".join(PARTS[page]()).strip()
    return text, f"{before}{BEGIN}\n\n{made}\n\n{END}{after}"


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
