"""Assembles the command line."""

from __future__ import annotations

from taskyard.worker.cli import (
    access,
    access_agent,
    admin,
    alerts,
    api,
    bulk,
    credentials,
    dashboard,
    enter,
    holds,
    hooks,
    inbox,
    kept,
    mail,
    pool,
    prune,
    quarantine,
    relearn,
    replay,
    report,
    restart,
    run,
    schedules,
    seats,
    seed,
    show,
    signals,
    simulate,
    status,
    submit,
    task_log,
    tasks,
    webhooks,
    why,
    workflow,
)
from taskyard.worker.cli.doors import placed
from taskyard.worker.cli.exits import EXIT_CODE_HELP
from taskyard.worker.cli.help_text import Group
from taskyard.worker.cli.root import CARE, CHANGE, INSPECT, PROGRAM, RUN, WATCH, add_command, new_app, run_app

app = new_app()

ID = "0199c0de-0000-7000-8000-000000000001"
COMMANDS = (
    *run.COMMANDS,
    ("seats", seats.seats, RUN, "seats agents.example.org:7070 --site berlin --key-file site.key --count 4"),
    ("api", api.api, RUN, "api"),
    ("dashboard", dashboard.dashboard, RUN, "dashboard"),
    ("enter", enter.enter, RUN, "enter"),
    ("submit", submit.submit, CHANGE, submit.EXAMPLES),
    ("cancel", tasks.cancel, CHANGE, f'cancel {ID} --reason "wrong data"'),
    ("retry", tasks.retry, CHANGE, f'retry {ID} --reason "the disk was full"'),
    ("priority", tasks.priority, CHANGE, f"priority {ID} urgent"),
    ("signal", signals.signal, CHANGE, f'signal {ID} approved --data \'{{"by": "ann"}}\''),
    ("bulk", bulk.bulk, CHANGE, 'bulk retry --type code.run --since 24h --reason "the disk is back"'),
    ("pause", holds.pause, CHANGE, 'pause queue reports --reason "the disk is full"'),
    ("drain", holds.drain, CHANGE, "drain agent coder-1"),
    ("resume", holds.resume, CHANGE, "resume queue reports"),
    ("restart", restart.restart, CHANGE, 'restart agent coder-1 --reason "new libraries"'),
    ("holds", holds.holds, INSPECT, "holds --json"),
    ("status", status.status, INSPECT, "status --json"),
    ("list", show.list_tasks, INSPECT, "list --state failed --limit 50"),
    ("show", show.show, INSPECT, f"show {ID}"),
    ("why", why.why, INSPECT, f"why {ID}"),
    ("history", show.history, INSPECT, f"history {ID}"),
    ("logs", task_log.logs, INSPECT, f"logs {ID} --all"),
    ("agents", status.agents, INSPECT, "agents --all"),
    ("types", admin.types, INSPECT, "types diagnostic.sleep"),
    ("report", report.report, INSPECT, "report --from 7d --format pdf --output reports/"),
    ("replay", replay.replay, INSPECT, "replay --from 7d --policy learned"),
    ("simulate", simulate.simulate, INSPECT, "simulate trace.csv --agents 20 --load 0.85"),
    ("alerts", alerts.alerts, WATCH, "alerts --all"),
    ("ack", alerts.ack, WATCH, f'ack {ID} --reason "looking into it"'),
    ("silence", alerts.silence, WATCH, 'silence "queue grows" --subject reports --minutes 120'),
    ("unsilence", alerts.unsilence, WATCH, f"unsilence {ID}"),
    ("silences", alerts.silences, WATCH, "silences --json"),
    ("runbook", alerts.runbook, WATCH, "runbook oldest_waiting"),
    ("rules", alerts.rules, WATCH, "rules --file alerts.toml"),
    ("migrate", admin.migrate, CARE, "migrate"),
    ("prune", prune.prune, CARE, "prune --dry-run"),
    ("relearn", relearn.relearn, CARE, "relearn --from 30d"),
    ("kept", kept.kept, CARE, 'kept --drop 17 --reason "the agents went back to the last release"'),
    ("seed", seed.seed, CARE, "seed --tasks 1000000 --days 30"),
    ("doctor", admin.doctor, CARE, "doctor"),
    ("prove", admin.prove, CARE, "prove --cycles 200 --seed 7"),
    ("soak", admin.soak, CARE, "soak --minutes 15 --rate 500"),
    ("bench", admin.bench, CARE, "bench --json results.json"),
)


for command in COMMANDS:
    add_command(app, *command)


access.access.add_typer(credentials.credentials)
access.access.command("agent", **placed("access agent", "access agent coder-1 --type 'code.*'"))(access_agent.agent)
access.access.command("database", **placed("access database", "access database | psql taskyard"))(access_agent.database)
app.add_typer(
    access.access,
    cls=Group,
    name="access",
    help="Who may do what: people, services, agents, their roles, passwords, tokens and sessions.",
    rich_help_panel=CARE,
    epilog=f"Example: {PROGRAM} access create-admin ann\n\n{EXIT_CODE_HELP}",
)
app.add_typer(
    workflow.workflow,
    cls=Group,
    name="workflow",
    help="Workflows, tasks that belong together: submit, list, show, cancel and retry them.",
    rich_help_panel=CHANGE,
    epilog=f"Example: {PROGRAM} workflow submit nightly.yaml\n\n{EXIT_CODE_HELP}",
)
app.add_typer(
    mail.mail,
    cls=Group,
    name="mail",
    help="Messages between agents: list, send dead letters again, empty a mailbox.",
    rich_help_panel=CARE,
    epilog=f"Example: {PROGRAM} mail list\n\n{EXIT_CODE_HELP}",
)
app.add_typer(
    pool.pool,
    cls=Group,
    name="pool",
    help="Pools of agents: how many of each kind run, and how many should.",
    rich_help_panel=CHANGE,
    epilog=f"Example: {PROGRAM} pool list\n\n{EXIT_CODE_HELP}",
)
app.add_typer(
    inbox.inbox,
    cls=Group,
    name="inbox",
    help="Questions that tasks ask people: list them, answer, decline, delegate.",
    rich_help_panel=CHANGE,
    epilog=f"Example: {PROGRAM} inbox list\n\n{EXIT_CODE_HELP}",
)
quarantine_help = "Quarantined items, which could not be processed: list, show and drop them."
app.add_typer(
    quarantine.quarantine,
    cls=Group,
    name="quarantine",
    help=quarantine_help,
    rich_help_panel=CARE,
    epilog=f"Example: {PROGRAM} quarantine list\n\n{EXIT_CODE_HELP}",
)
app.add_typer(
    schedules.schedules,
    cls=Group,
    name="schedule",
    help="Schedules, which submit tasks again and again: make and change them, run one now, make up for fire times.",
    rich_help_panel=CHANGE,
    epilog=f"Example: {PROGRAM} schedule list\n\n{EXIT_CODE_HELP}",
)
app.add_typer(
    webhooks.webhooks,
    cls=Group,
    name="webhooks",
    help="Webhooks, which tell others of tasks' ends: make them, see what was delivered, send it again.",
    rich_help_panel=CARE,
    epilog=f"Example: {PROGRAM} webhooks list\n\n{EXIT_CODE_HELP}",
)
app.add_typer(
    hooks.hooks,
    cls=Group,
    name="hooks",
    help="Hooks, by which GitHub, Stripe and others submit tasks with signed requests.",
    rich_help_panel=CARE,
    epilog=f"Example: {PROGRAM} hooks list\n\n{EXIT_CODE_HELP}",
)


def main() -> None:
    """Runs the command in the arguments, and exits."""
    run_app(app)
