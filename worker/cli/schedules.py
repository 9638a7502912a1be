"""Implements commands for schedules, which submit tasks or workflows again and again."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from taskyard.core.errors import SubmissionError
from taskyard.core.schedules.zone_words import zone_label
from taskyard.worker.cli import exits
from taskyard.worker.cli.confirm import confirm, confirm_number
from taskyard.worker.cli.doors import placed
from taskyard.worker.cli.help_text import Group
from taskyard.worker.cli.opened import opened_schedules
from taskyard.worker.cli.output import Column, print_json, print_line, print_table
from taskyard.worker.cli.ports.schedules import SchedulePort
from taskyard.worker.cli.schedule_options import Given, moment, takes_schedule
from taskyard.worker.cli.schedule_output import next_text, print_count, print_fires, print_schedule, submits, zoned
from taskyard.worker.cli.show import AsJson
from taskyard.worker.cli.text import counted
from taskyard.worker.cli.webhooks import print_change

if TYPE_CHECKING:  # what they read needs a part of the servers
    from taskyard.core.schedules.files import ScheduleFile
    from taskyard.core.workflows.files import WorkflowFile

schedules = typer.Typer(cls=Group, no_args_is_help=True, context_settings={"help_option_names": ["-h", "--help"]})

Name = Annotated[str, typer.Argument(metavar="NAME", help="The name of the schedule.")]
FIRES = 10
ADD_EXAMPLE = (
    "schedule add nightly --type diagnostic.echo --input '{\"value\": 1}' "
    '--cron "30 7 * * mon-fri" --zone Europe/Berlin'
)


@schedules.command("add", **placed("schedule add", ADD_EXAMPLE))
@takes_schedule
def add(
    name: Annotated[str, typer.Argument(metavar="NAME", help="1 to 100 lower-case letters, digits or ._-")],
    given: Given,
    as_json: AsJson = False,
) -> None:
    """Adds a schedule of tasks, or of workflows, that fires from now on."""
    rule, file = given.rule(), given.workflow_file()
    with opened_schedules() as port, _naming_lines(file):
        if file is None:
            content = given.task_input(port.input_limit_bytes)
            what = {"type": given.type, "input": content, "options": given.task_options()}
        else:
            what = _workflow_what(file)
        port.add(name, {"what": what, **rule})
        made = port.get(name)
    if as_json:
        print_json(made)
    else:
        print_line(f"{name} fires {made['when']}, next at {zoned(made['next_fire_at']) or 'no time'}")


@schedules.command("list", **placed("schedule list", "schedule list"))
def list_schedules(as_json: AsJson = False) -> None:
    """Lists schedules with when they fire."""
    with opened_schedules() as port:
        found = port.list_all()
    if as_json:
        print_json(found)
        return
    if not found:
        print_line("no schedules: `schedule add` makes one")
        return
    columns = [Column("name", fixed=True), Column("submits"), Column("when")]
    columns += [Column("next", fixed=True), Column("owner")]
    print_table(
        columns, [[one["name"], submits(one["what"]), one["when"], next_text(one), one["owner"]] for one in found]
    )


@schedules.command("show", **placed("schedule show", "schedule show nightly"))
def show(name: Name, as_json: AsJson = False) -> None:
    """Shows a schedule with its last fire times, and what became of them."""
    with opened_schedules() as port:
        found, fires = port.get(name), port.fires(name, FIRES)
    if as_json:
        print_json({**found, "fires": fires})
        return
    print_schedule(found)
    print_fires(fires)


@schedules.command("edit", **placed("schedule edit", 'schedule edit nightly --cron "0 6 * * *"'))
@takes_schedule
def edit(name: Name, given: Given, as_json: AsJson = False) -> None:
    """Changes a schedule; what is not named stays. With another type its tasks' input is given, too."""
    changes, file, options = given.rule(), given.workflow_file(), given.task_options()
    with opened_schedules() as port, _naming_lines(file):
        content = given.task_input(port.input_limit_bytes)
        if file is not None:
            changes["what"] = _workflow_what(file)
        elif given.type is not None or content is not None or options:
            changes["what"] = _changed_task(port.get(name)["what"], given.type, content, options)
        is_changed = port.change(name, changes)
    print_change(name, "changed", is_changed, as_json)


@schedules.command("pause", **placed("schedule pause", 'schedule pause nightly --reason "the source is down"'))
def pause(
    name: Name, reason: Annotated[str, typer.Option(help="Why; kept in the audit log.")] = "", as_json: AsJson = False
) -> None:
    """Lets a schedule fire no more until `resume`."""
    with opened_schedules() as port:
        is_changed = port.switch(name, is_enabled=False, reason=reason)
    print_change(name, "paused", is_changed, as_json)


@schedules.command("resume", **placed("schedule resume", "schedule resume nightly"))
def resume(
    name: Name, reason: Annotated[str, typer.Option(help="Why; kept in the audit log.")] = "", as_json: AsJson = False
) -> None:
    """Lets a schedule fire again; what would have fired meanwhile is not made up for."""
    with opened_schedules() as port:
        is_changed = port.switch(name, is_enabled=True, reason=reason)
    print_change(name, "resumed", is_changed, as_json)


@schedules.command("run", **placed("schedule run", "schedule run nightly"))
def run(name: Name, as_json: AsJson = False) -> None:
    """Submits the schedule's task or workflow now, beside its fire times, and prints its id."""
    with opened_schedules() as port:
        ran = port.run(name)
    if as_json:
        print_json(ran)
    else:
        print_line(ran["id"])


@schedules.command("remove", **placed("schedule remove", "schedule remove nightly"))
def remove(name: Name, as_json: AsJson = False) -> None:
    """Removes a schedule with the record of its fire times; its tasks stay."""
    with opened_schedules() as port:
        port.remove(name)
    print_change(name, "removed", True, as_json)


@schedules.command("next", **placed("schedule next", "schedule next nightly --count 5"))
def next_fires(
    name: Name,
    count: Annotated[int, typer.Option(min=1, max=100, help="How many.")] = FIRES,
    as_json: AsJson = False,
) -> None:
    """Prints when a schedule fires next, if it is not paused: in this host's zone and the schedule's."""
    from zoneinfo import ZoneInfo

    with opened_schedules() as port:
        found, times = port.get(name), port.next_fires(name, count)
    if as_json:
        print_json({"name": name, "when": found["when"], "fire_times": times})
        return
    zone = ZoneInfo(found["time_zone"])
    print_line(found["when"])
    rows = [[zoned(at), f"{datetime.fromisoformat(at).astimezone(zone):%Y-%m-%d %H:%M:%S %Z}"] for at in times]
    print_table([Column("here", fixed=True), Column(zone_label(found["time_zone"]), fixed=True)], rows)


@schedules.command("backfill", **placed("schedule backfill", "schedule backfill nightly --from 7d --dry-run"))
def backfill(
    name: Name,
    since: Annotated[str, typer.Option("--from", metavar="TIME", help="An age such as 24h, or a time with a zone.")],
    until: Annotated[str | None, typer.Option("--to", metavar="TIME", help="The same.  default: now")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count them.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """Submits for each fire time of a span that has submitted nothing, after counting them."""
    low, high = moment("--from", since), moment("--to", until) if until else datetime.now(UTC).isoformat()
    with opened_schedules() as port:
        counted = port.count_backfill(name, low, high)
        if dry_run or not counted["count"]:
            print_count(counted, as_json)
            return
        noun = "workflows" if port.get(name)["what"]["kind"] == "workflow" else "tasks"
        if not yes:
            confirm_number(f"{counted['count']:,} {noun} of {name} will be submitted.", counted["count"])
        made = port.backfill(name, low, high)
    if as_json:
        print_json({"ids": made})
    else:
        print_line(f"{len(made):,} {noun} are submitted")


@schedules.command("apply", **placed("schedule apply", "schedule apply schedules.toml"))
def apply(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A TOML file of [[schedule]] tables.")],
    owner: Annotated[str | None, typer.Option(help="Whose schedules these are.  default: the file's name")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would change.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before schedules are removed.")] = False,
    as_json: AsJson = False,
) -> None:
    """Makes the schedules of a file those that it declares: adds, changes and removes; all or nothing."""
    from taskyard.core.schedules.files import read_schedules
    from taskyard.core.schedules.schedule import check_schedule_name

    found, name = read_schedules(file), check_schedule_name(file.stem.lower() if owner is None else owner)
    with opened_schedules() as port:
        done = _would_change(port, name, found)
        if not dry_run:
            if done["removed"] and not yes:
                removed = ", ".join(done["removed"])
                confirm(f"{counted(len(done['removed']), 'schedule')} of {name} will be removed: {removed}.")
            done = port.apply(name, found.declared)
    if as_json:
        print_json(done)
        return
    for what, names in done.items():
        if names:
            print_line(f"{'would be ' if dry_run else ''}{what}: {', '.join(names)}")
    if not any(done.values()):
        print_line("nothing would change" if dry_run else "nothing has changed")


def _would_change(port: SchedulePort, owner: str, found: ScheduleFile) -> dict[str, list[str]]:
    """Returns what applying a file would change; prints all problems of the file, each with its line."""
    problems, done = list(found.problems), dict[str, list[str]]()
    try:
        done = port.apply(owner, found.declared, is_dry_run=True)
    except SubmissionError as error:
        problems += found.located(error)
    if problems:
        raise exits.printed(problems[0], sorted(problems, key=_line_of))
    return done


def _line_of(problem: SubmissionError) -> int:
    line = re.match(r"line (\d+): ", problem.field)
    return int(line[1]) if line else 0


def _workflow_what(file: WorkflowFile) -> dict[str, Any]:
    from taskyard.core.schedules.declarations import workflow_what

    return workflow_what(file.given)


@contextmanager
def _naming_lines(file: WorkflowFile | None) -> Iterator[None]:
    """Prints all problems of a workflow's file, each with its line."""
    try:
        yield
    except SubmissionError as error:
        if file is None:
            raise
        raise exits.printed(error, file.located(error)) from None


def _changed_task(known: dict[str, Any], type_: str | None, content: Any, options: dict[str, Any]) -> dict[str, Any]:
    """Returns what is submitted after a change of some of it; a workflow becomes a task by its type."""
    if known["kind"] == "workflow":
        return {"type": type_, "input": content, "options": options}
    kept = known["input"] if type_ is None and content is None else content
    return {"type": type_ or known["type"], "input": kept, "options": {**known["options"], **options}}
