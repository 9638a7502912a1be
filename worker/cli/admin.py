"""Implements commands for the installation: types, migrate, doctor, bench, prove, soak."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

from taskyard.core.health.check import Check
from taskyard.core.humanize import compact_duration
from taskyard.extras import has_agent_parts
from taskyard.worker.cli import exits
from taskyard.worker.cli.opened import opened_site
from taskyard.worker.cli.output import (
    Column,
    is_wide,
    print_document,
    print_json,
    print_line,
    print_table,
    stacked,
    state_text,
)
from taskyard.worker.cli.ports.place import is_remote
from taskyard.worker.cli.show import AsJson

# as the parts of the bench are called, which --help does without importing them
BENCHMARKS = (
    "costs", "bulk", "submit", "drain", "drain_own", "drain_process", "edges", "latency", "roundtrip", "agents",
    "history", "search", "anomalies", "dashboard", "http", "agents_http", "deliveries", "workflows", "replays", "scale",
    "engines", "learned", "trace",
)  # fmt: skip


def types(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="Print this type's JSON schemas.")] = None,
    as_json: AsJson = False,
) -> None:
    """Lists the task types, or prints the JSON schemas of one type's input and output."""
    with opened_site() as site:
        schemas = None if name is None else site.type_schemas(name)
        found = site.types() if name is None else []
    if schemas is not None:
        if as_json:
            print_json(schemas)
        else:
            for part in ("input", "output"):
                print_document(part, schemas[part])
        return
    if as_json:
        print_json(found)
        return
    headings = [Column("type", fixed=True), Column("isolation", fixed=True), Column("timeout", fixed=True)]
    headings += [Column("attempts", fixed=True, justify="right")]
    if is_wide():
        print_table([*headings, Column("tags"), Column("description")], [_wide_type(t) for t in found])
    else:
        print_table([*headings, Column("description")], [_narrow_type(t) for t in found])


def _type_head(task_type: dict[str, Any]) -> list[str]:
    timeout = compact_duration(task_type["timeout_seconds"])
    return [task_type["name"], task_type["isolation"] or "", timeout, str(task_type["max_attempts"])]


def _wide_type(task_type: dict[str, Any]) -> list[str | Text | None]:
    tags = ", ".join(task_type["requires"])
    return [*_type_head(task_type), tags, stacked((task_type["description"], ""), (_declared(task_type), "dim"))]


def _narrow_type(task_type: dict[str, Any]) -> list[str | Text | None]:
    tags = ", ".join(task_type["requires"])
    more = [(tags and f"tags: {tags}", "dim"), (_declared(task_type), "dim")]
    return [*_type_head(task_type), stacked((task_type["description"], ""), *more)]


def _declared(task_type: dict[str, Any]) -> str:
    """Says what a type declares that predictions and second attempts go by; empty if nothing."""
    parts = ["idempotent"] if task_type["idempotent"] else []
    if task_type["predict_by"]:
        parts.append(f"predicted by: {', '.join(task_type['predict_by'])}")
    return ", ".join(parts)


def migrate() -> None:
    """Migrates the database to this version of Taskyard; without a configured URL, the embedded one."""
    from contextlib import ExitStack

    from taskyard.core.config import load_settings
    from taskyard.core.embedded.servers import EmbeddedServers
    from taskyard.core.postgres import migrations
    from taskyard.worker.cli.connections import printing_refusals

    settings = load_settings()
    with ExitStack() as stack:
        stack.enter_context(printing_refusals())
        url = settings.database_url
        if url is None:
            url = stack.enter_context(EmbeddedServers(settings.data_dir, redis=False)).database_url
        before = migrations.schema_state(url).version
        migrations.migrate(url)
        after = migrations.schema_state(url).version
    print_line(f"database is at {after}" + (" already" if before == after else f", was at {before or 'nothing'}"))


def doctor(
    pool: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The pool's TOML file; default TASKYARD_POOL_FILE.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Checks everything Taskyard depends on, and says how to fix what is wrong.

    With TASKYARD_URL it also checks that the API there is reached, its certificate, the token and its role, and that
    both are of the same release. Where only the command line is installed it checks that alone. With --pool on a host
    of agents alone it does not miss PostgreSQL.
    """
    found = list(_doctors_checks(pool))
    are_fine = all(check.ok for check in found)
    if as_json:
        keys = ("name", "ok", "warning", "found", "advice")
        print_json({"ok": are_fine, "checks": [{key: getattr(check, key) for key in keys} for check in found]})
    else:
        headings = [Column("", fixed=True), Column("check"), Column("found"), Column("advice")]
        print_table(headings, [[_verdict(check), check.name, check.found, check.advice] for check in found])
    if not are_fine:
        raise typer.Exit(exits.FAILED)


def _doctors_checks(pool_file: Path | None) -> Iterator[Check]:
    if is_remote():
        from taskyard.worker.doctor.installation import installation_checks

        yield from installation_checks()
        if not has_agent_parts():
            return
    from taskyard.worker.doctor.report import checks

    yield from checks(pool_file=pool_file, has_api=is_remote())


def _verdict(check: Check) -> Text:
    return state_text("failed" if not check.ok else "warning" if check.warning else "ok")


def bench(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="NAME", help=f"Default all of {', '.join(BENCHMARKS)}.")
    ] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Also write the results here.")
    ] = None,
    accept: Annotated[bool, typer.Option("--accept", help="Compare later costs with these: in a checkout.")] = False,
    history: Annotated[bool, typer.Option("--history", help="Add to the history of figures: in a checkout.")] = False,
) -> None:
    """Measures throughput and latency on this machine, on servers of its own.

    costs counts what a task costs on any machine; in a git checkout a rise above docs/design/costs.json, which --accept
    writes, ends with the status 1. --history adds a line for the commit to docs/design/bench-history.jsonl: main
    figures as ratios to limits.
    """
    from taskyard.core.config import load_settings
    from taskyard.worker.devtools.bench import run_bench

    options = {"is_accepted": accept, "keeps_history": history}
    raise typer.Exit(run_bench(load_settings(), tuple(names or ()), json_file, **options))


def prove(
    cycles: Annotated[int, typer.Option(min=0, help="How many kills; 0: until the time is over.")] = 20,
    minutes: Annotated[float, typer.Option(min=0, help="Maximum duration; 0: no limit.")] = 0.0,
    seed: Annotated[int | None, typer.Option(help="Repeats the decisions of an earlier run.")] = None,
    kind: Annotated[list[str] | None, typer.Option(help="Kill only this kind; may repeat.")] = None,
    engine: Annotated[str, typer.Option(help="Run attempts on nodes of ray, dask or celery; kill these, too.")] = "",
    people: Annotated[bool, typer.Option("--people", help="Simulate users' acts instead of killing.")] = False,
    act: Annotated[list[str] | None, typer.Option(help="Only this act; may repeat.")] = None,
    upgrade: Annotated[
        bool, typer.Option("--upgrade", help="Kill while this release replaces the last one, part by part.")
    ] = False,
    wheel: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The last release, instead of one built from its commit.")
    ] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the folder with servers, logs and records.")] = False,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Also write the findings here.")
    ] = None,
) -> None:
    """Kills agents, handlers, workers, Redis, PostgreSQL and the API under real work, and counts the results.

    Runs on servers of its own. Exits with 1 if a task was lost, stuck, accepted twice or run twice under one
    attempt, if a client's retries doubled one, or if something was left behind. Ctrl-C ends the killing and counts
    what was done.

    With --engine the agents' attempts run in seats of an engine whose nodes are started here; seats, the processes of
    the engine that they are in, and nodes are killed, too.

    With --people nothing is killed: locks are held, servers answer with temporary errors, clocks are set,
    descriptors taken, task modules broken, half a fleet deployed, junk left in Redis. It also fails if work does
    not go on after such an act, or if /healthz is not red within 30 s of a lasting outage, and green within 10 s
    after it.

    With --upgrade the last release is at work first. The schema is migrated, and workers, agents and API are replaced
    one by one, in an order that the seed decides; then the agents go back. The kills are spread over all of that.
    """
    from taskyard.core.config import load_settings
    from taskyard.worker.devtools.prove import command

    _check_prove(cycles, minutes, kind, engine, people, act, upgrade, wheel)
    settings = load_settings()
    ends: dict[str, Any] = {"cycles": cycles, "minutes": minutes, "seed": seed, "json_file": json_file, "keep": keep}
    if upgrade:
        code = command.run_prove_upgrade(settings, wheel=wheel, **ends)
    elif people:
        code = command.run_prove_people(settings, kinds=act or [], **ends)
    else:
        code = command.run_prove(settings, kinds=kind or [], engine=engine, **ends)
    raise typer.Exit(code)


def _check_prove(
    cycles: int,
    minutes: float,
    kind: list[str] | None,
    engine: str,
    people: bool,
    act: list[str] | None,
    upgrade: bool,
    wheel: Path | None,
) -> None:
    """Raises ConfigurationError for options that don't go together."""
    from taskyard.core.errors import ConfigurationError

    if not cycles and not minutes:
        raise ConfigurationError(["prove: neither --cycles nor --minutes sets an end"])
    if act and not people:
        raise ConfigurationError(["prove: --act requires --people"])
    if kind and people:
        raise ConfigurationError(["prove: --kind is not for --people: nothing is killed"])
    if engine and (people or upgrade):
        raise ConfigurationError(["prove: --engine goes with neither --people nor --upgrade"])
    if upgrade and (people or kind):
        raise ConfigurationError(["prove: --upgrade goes with neither --people nor --kind"])
    if wheel and not upgrade:
        raise ConfigurationError(["prove: --wheel requires --upgrade"])


def soak(
    minutes: Annotated[float, typer.Option(min=0.1, help="For how long.")] = 15.0,
    rate: Annotated[float, typer.Option(min=1, help="Submissions per second.")] = 500.0,
) -> None:
    """Works for some minutes and reports whether memory, files, threads, connections or streams grow.

    Runs on servers of its own. The first quarter is a warm-up. Exits with 1 if something grew or was left.
    """
    from taskyard.core.config import load_settings
    from taskyard.worker.devtools.soak import run_soak

    raise typer.Exit(run_soak(load_settings(), minutes=minutes, rate=rate))
