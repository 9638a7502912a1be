"""Implements commands for alerts: alerts, ack, silence, unsilence, silences, runbook, rules."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from taskyard.core.errors import SubmissionError
from taskyard.core.i18n import msg
from taskyard.core.payload.printable_text import visible
from taskyard.worker.cli.opened import opened_site
from taskyard.worker.cli.output import Column, print_json, print_line, print_table, stacked
from taskyard.worker.cli.show import AsJson
from taskyard.worker.cli.text import instant

SEVERITY_STYLES = {"critical": "red", "warning": "yellow", "info": "cyan"}
Reason = Annotated[str, typer.Option(help="Why; kept in the audit log.")]


def alerts(
    every: Annotated[bool, typer.Option("--all", help="Include resolved ones.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most this many.")] = 100,
    as_json: AsJson = False,
) -> None:
    """Lists the unresolved alerts, newest first."""
    with opened_site() as site:
        found = site.alerts(every=every, limit=limit)
    if as_json:
        print_json([alert.record for alert in found])
    elif not found:
        print_line("no alerts" if every else "no alert is firing", "green")
    else:
        columns = [Column("severity", fixed=True), Column("state", fixed=True)]
        print_table(
            [*columns, Column("alert"), Column("since", fixed=True)],
            [
                [
                    Text(alert.record["severity"], SEVERITY_STYLES[alert.record["severity"]]),
                    alert.record["state"],
                    stacked(
                        (visible(f"{alert.title}: {alert.record['subject']}"), ""),
                        (visible(alert.message), ""),
                        (alert.record["id"], "dim"),
                    ),
                    instant(datetime.fromisoformat(alert.record["fired_at"])),
                ]
                for alert in found
            ],
        )


def ack(
    alert: Annotated[str | None, typer.Argument(metavar="ALERT", help="The alert's id.")] = None,
    rule: Annotated[
        str | None, typer.Option(metavar="RULE", help="Every firing alert of this rule, by its name or title.")
    ] = None,
    reason: Reason = "",
    as_json: AsJson = False,
) -> None:
    """Acknowledges a firing alert, or all of a rule: you look after it. It still resolves by itself."""
    if (alert is None) == (rule is None):
        raise typer.BadParameter("give an alert's id, or a rule by --rule", param_hint="ALERT")
    with opened_site() as site:
        if rule is not None:
            count = site.acknowledge_rule(rule, reason)
        elif alert is not None:
            alert_id, state, is_changed = site.acknowledge(alert, reason)
    if rule is not None:
        if as_json:
            print_json({"rule": rule, "acknowledged": count})
        else:
            print_line(f"{count} {'alert' if count == 1 else 'alerts'} acknowledged")
    elif as_json:
        print_json({"alert": alert_id, "changed": is_changed})
    else:
        print_line(f"alert {alert_id} " + ("acknowledged" if is_changed else f"is {state} already"))


def silence(
    rule: Annotated[
        str, typer.Argument(metavar="RULE", help="The rule's name or title, as in `rules`; * matches anything.")
    ],
    subject: Annotated[str, typer.Option(help="Only this subject; * matches anything.")] = "*",
    minutes: Annotated[
        float | None, typer.Option(min=1, max=60 * 24 * 365, help="For how long; an hour if not given.")
    ] = None,
    reason: Annotated[str, typer.Option(help="Why; shown with the silence, and kept in the audit log.")] = "",
    confirm: Annotated[
        str, typer.Option(metavar="everything", help="This word, to silence every rule; needs --minutes, too.")
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Stops notifications of a rule's alerts for a while; the alerts are still recorded.

    Alerts still firing when the silence ends are sent then.
    """
    with opened_site() as site:
        seconds = None if minutes is None else minutes * 60
        made = site.silence(rule, subject, seconds, reason, confirm=confirm)
    if as_json:
        print_json(made.record)
    else:
        until = datetime.fromisoformat(made.record["until"])
        print_line(f"silence {made.record['id']} until {instant(until)}")


def unsilence(
    silence: Annotated[str, typer.Argument(metavar="SILENCE", help="The silence's id.")], as_json: AsJson = False
) -> None:
    """Ends a silence now."""
    with opened_site() as site:
        is_changed = site.end_silence(silence)
    if as_json:
        print_json({"silence": silence, "changed": is_changed})
    else:
        print_line(f"silence {visible(silence)} " + ("ended" if is_changed else "was not in force"))


def silences(as_json: AsJson = False) -> None:
    """Lists the silences in force."""
    with opened_site() as site:
        found = site.silences()
    if as_json:
        print_json([silence.record for silence in found])
    elif not found:
        print_line("no silence is in force")
    else:
        print_table(
            [Column("silence"), Column("until", fixed=True), Column("by")],
            [
                [
                    stacked(
                        (visible(f"{one.title}: {one.record['subject']}"), ""),
                        (visible(one.record["reason"]), ""),
                        (one.record["id"], "dim"),
                    ),
                    instant(datetime.fromisoformat(one.record["until"])),
                    visible(one.record["actor"]),
                ]
                for one in found
            ],
        )


def runbook(
    name: Annotated[
        str, typer.Argument(metavar="RULE", help="The rule's name or title, as in `rules`, or the kind of alert.")
    ],
) -> None:
    """Prints what an alert means, where to look first, and what to do."""
    import sys

    from rich.console import Console
    from rich.markdown import Markdown

    from taskyard.core.alerts.kinds import KINDS
    from taskyard.core.alerts.rule_titles import rule_name
    from taskyard.core.alerts.rules import load_rules
    from taskyard.core.alerts.runbook import runbook as runbook_of
    from taskyard.core.config import load_settings

    kind = name
    if name not in KINDS:
        rules = load_rules(load_settings().alerts_file, None).rules
        kind = next((rule.kind for rule in rules if rule.name in (name, rule_name(name))), "")
        kind = kind or next((one.name for one in KINDS.values() if one.title.casefold() == name.casefold()), "")
    text = runbook_of(kind)
    if text is None:
        raise SubmissionError("rule", name, msg("a rule or kind of alert, as `taskyard rules` lists them"))
    if sys.stdout.isatty():
        Console().print(Markdown(text))
    else:
        typer.echo(text, nl=False)


def rules(
    file: Annotated[Path | None, typer.Option(metavar="FILE", help="Check this file instead.")] = None,
    as_file: Annotated[bool, typer.Option("--toml", help="Print the shipped rules as a file to copy.")] = False,
    as_json: AsJson = False,
) -> None:
    """Shows the alert rules as the worker reads them, or every problem in their file."""
    from taskyard.core.alerts.default_rules import default_rules_file
    from taskyard.core.alerts.kinds import KINDS
    from taskyard.core.alerts.rule_titles import TITLES
    from taskyard.core.alerts.rules import load_rules
    from taskyard.core.config import load_settings

    if as_file:
        if file is not None or as_json:
            raise typer.BadParameter("it prints only the shipped rules", param_hint="--toml")
        typer.echo(default_rules_file(), nl=False)
        return
    loaded = load_rules(file or load_settings().alerts_file)
    if as_json:
        print_json(loaded.model_dump(mode="json"))
        return
    columns = [Column("rule"), Column("severity", fixed=True), Column("fires at", fixed=True, justify="right")]
    columns += [Column("clears below", fixed=True, justify="right"), Column("for", fixed=True, justify="right")]
    rows: list[list[str | Text | None]] = []
    for rule in loaded.rules:
        kind = KINDS[rule.kind]
        measures = kind.measures + (f" ({rule.window_seconds:g} s)" if kind.window_seconds else "")
        levels = [f"{rule.threshold:g}", f"{rule.clear:g}"] if kind.has_threshold else ["yes", "no"]
        severity = Text(rule.severity, SEVERITY_STYLES[rule.severity])
        title = TITLES.get(rule.name)
        shown = f"{title}: {measures}" if title else measures
        name = stacked((visible(rule.name), ""), (shown, "dim"))
        rows.append([name, severity, *levels, f"{rule.for_seconds:g} s"])
    print_table(columns, rows)
    channels = ", ".join(f"{visible(name)} ({channel.kind})" for name, channel in loaded.channels.items())
    print_line(f"channels  {channels or 'none'}; evaluated every {loaded.evaluate_every_seconds:g} s")
