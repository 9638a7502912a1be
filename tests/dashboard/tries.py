"""How each operation that the table gives to a page is tried there: by its controls, and by what these call."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from taskyard.core.filters.audit_filter import EventFilter
from taskyard.core.filters.search_filter import TaskFilter
from taskyard.core.scheduling.holds import HoldKind
from taskyard.core.submission.bulk_operation import Action as ManyAction
from taskyard.dashboard.data import bulk_runs, controls
from taskyard.dashboard.data.bulk_runs import Target
from taskyard.dashboard.data.controls import Action
from taskyard.dashboard.data.viewer import actor
from taskyard.dashboard.pages.access import data as access
from taskyard.dashboard.pages.alerts import data as alerts
from taskyard.dashboard.pages.audit import data as audit
from taskyard.dashboard.pages.failures import data as failures
from taskyard.dashboard.pages.inbox import data as inbox
from taskyard.dashboard.pages.reports import data as reports
from taskyard.dashboard.pages.schedules import data as schedules
from taskyard.dashboard.pages.submit import data as submit
from taskyard.dashboard.pages.system import worker_log_data
from taskyard.dashboard.pages.task import data as task
from taskyard.dashboard.pages.tasks import data as tasks
from taskyard.dashboard.pages.webhooks import data as webhooks
from taskyard.dashboard.pages.workflows import data as workflows

FINGERPRINT = "00aa11bb22cc33dd"
FAILED = TaskFilter(states=("failed",))  # type: ignore[arg-type]
URL, INBOUND = "https://hooks.example.com/", {"show": "inbound"}
HOOK = {"scheme": "github", "type": "diagnostic.noop", "template": "{}"}
NOOPS = {"what": {"type": "diagnostic.noop"}, "cron": "@yearly"}
Ids = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Try:
    """An operation on a page: `controls` are keys of widgets, or texts that only those see who may do it.

    `act` does what the controls do, as the viewer; parts in braces are names of what the tests have planted.
    """

    operation: str
    page: str
    controls: tuple[str, ...]
    act: Callable[[Ids], Any]
    query: Mapping[str, str] = field(default_factory=dict)
    is_text: bool = False


def hold(kind: HoldKind, action: Action, name: str) -> int:
    """What a menu of holds does."""
    return controls.act(kind, action, [name], "why")


CHANGE, FILTERS = "Cancel, retry, reprioritise and signal tasks, one or many", "Save and delete filters"
ANSWER = "Answer and delegate questions, as far as they are asked of one"
HOLD, AGENTS = "Pause, drain and resume queues and task types", "Pause, drain, resume, restart and scale agents"
SCHEDULES = "Create, change, pause and remove schedules, run them now, make up for fire times"
WEBHOOKS, HOOKS = "Create and change webhooks", "See and change hooks"
PEOPLE, CREDENTIALS = "Create and change people, services and agents", "Set passwords, and make and revoke tokens"

TRIES = (
    Try(
        "See a task's log", "task", ("a line of its log",), lambda ids: task.log_page(ids["failed"], ""),
        {"id": "{failed}", "part": "logs"}, is_text=True,
    ),
    Try(
        "See the worker's log and its reports", "system", ("a line of the worker",),
        lambda _ids: worker_log_data.lines("info", ""), {"part": "log"}, is_text=True,
    ),
    Try(
        "See the worker's log and its reports", "reports", ("2026-01-05",),
        lambda _ids: reports.file_content("taskyard-daily-2026-01-05.pdf"), {"part": "written"}, is_text=True,
    ),
    Try(
        "Submit tasks, and check files of tasks", "submit", ("submit_one", "submit_clear"),
        lambda ids: submit.submit("diagnostic.noop", {}, {}, f"key {ids['who']}"), {"type": "diagnostic.noop"},
    ),
    Try(CHANGE, "task", ("retry",), lambda ids: task.retry(ids["failed"], ""), {"id": "{failed}"}),
    Try(CHANGE, "task", ("priority",), lambda ids: task.reprioritise(ids["pending"], "low", ""), {"id": "{pending}"}),
    Try(CHANGE, "task", ("cancel",), lambda ids: task.cancel(ids["pending"], ""), {"id": "{pending}"}),
    Try(
        CHANGE, "tasks", ("bulk_cancel", "bulk_retry", "bulk_priority"),
        lambda ids: bulk_runs.load_preview(ManyAction.CANCEL, Target(ids=(ids["pending"],))),
    ),
    Try(
        CHANGE, "failures", ("retry_group",),
        lambda _ids: bulk_runs.load_preview(ManyAction.RETRY, Target(failures.failed_with(FINGERPRINT))),
        {"group": FINGERPRINT},
    ),
    Try(
        "Cancel and retry workflows", "workflows", ("workflow_retry",),
        lambda ids: workflows.retry(ids["workflow"], ""), {"workflow": "{workflow}"},
    ),
    Try(
        "Cancel and retry workflows", "workflows", ("workflow_cancel",),
        lambda ids: workflows.cancel(ids["workflow"], ""), {"workflow": "{workflow}"},
    ),
    Try(
        FILTERS, "tasks", ("save_filter_send",),
        lambda ids: tasks.save_filter(ids["who"], FAILED, overwrite=False), {"states": "failed"},
    ),
    Try(FILTERS, "tasks", ("save_filter_send",), lambda _ids: tasks.delete_filter("mine"), {"states": "failed"}),
    Try(
        "Send test messages and deliveries again", "webhooks", ("ping_webhook_ci",), lambda _ids: webhooks.ping("ci")
    ),
    Try(
        ANSWER, "inbox", ("inbox_approve",), lambda ids: inbox.answer(ids["question"], "approved", None, ""),
        {"question": "{question}"},
    ),
    Try(SCHEDULES, "schedules", ("new_schedule",), lambda ids: schedules.save(ids["name"], NOOPS, is_new=True)),
    Try(
        SCHEDULES, "schedules", ("edit_schedule_nightly",),
        lambda _ids: schedules.save("nightly", {"cron": "@daily"}, is_new=False),
    ),
    Try(
        SCHEDULES, "schedules", ("pause_schedule_nightly", "remove_schedule_nightly", "backfill_schedule_nightly"),
        lambda _ids: schedules.switch("nightly", is_enabled=True),
    ),
    Try(
        SCHEDULES, "schedules", ("run_schedule_nightly",), lambda _ids: schedules.run("nightly"),
        {"schedule": "nightly"},
    ),
    Try(HOLD, "queues", ("act_default",), lambda _ids: hold(HoldKind.QUEUE, Action.PAUSE, "default")),
    Try(HOLD, "queues", ("act_default",), lambda _ids: hold(HoldKind.QUEUE, Action.RESUME, "default")),
    Try(
        AGENTS, "agents", ("act_builder",), lambda _ids: hold(HoldKind.AGENT, Action.PAUSE, "builder"),
    ),
    Try(AGENTS, "agents", ("act_builder",), lambda _ids: hold(HoldKind.AGENT, Action.RESTART, "builder")),
    Try(AGENTS, "agents", ("scale_task",), lambda _ids: controls.scale("task", None, "why")),
    Try("Acknowledge alerts", "alerts", ("ack_{alert}",), lambda ids: alerts.acknowledge(ids["alert"], "why")),
    Try(
        "Silence alerts", "alerts", ("silence_{alert}", "new_silence"),
        lambda _ids: alerts.silence("tasks wait long", "default", 60, "why"),
    ),
    Try(
        "Silence alerts", "alerts", ("end_{silence}",),
        lambda ids: alerts.end_silence(ids["silence"]), {"show": "silences"},
    ),
    Try(
        "Mute error groups", "failures", ("mute",), lambda _ids: failures.mute(FINGERPRINT, 60, "why"),
        {"group": FINGERPRINT},
    ),
    Try("Mute error groups", "failures", ("mute",), lambda _ids: failures.unmute(FINGERPRINT), {"group": FINGERPRINT}),
    Try(
        "Read and export the audit log", "audit", ("Export CSV",), lambda _ids: audit.page(EventFilter(), None),
        is_text=True,
    ),
    Try(
        "Read and export the audit log", "audit", ("Export CSV",),
        lambda _ids: next(audit.export(EventFilter(), actor())), is_text=True,
    ),
    Try("See webhooks and deliveries", "webhooks", ("deliveries_webhook_ci",), lambda _ids: webhooks.webhooks()),
    Try(
        "See webhooks and deliveries", "webhooks", ("address_webhook",),
        lambda _ids: webhooks.deliveries(None, None), {"show": "deliveries"},
    ),
    Try(PEOPLE, "access", ("access_new",), lambda ids: access.create(ids["who"], "service", "viewer", ["*"], ["*"])),
    Try(PEOPLE, "access", ("access_chosen",), lambda _ids: access.change_role("ann", "viewer", ["*"], ["*"])),
    Try(PEOPLE, "access", ("access_chosen",), lambda _ids: access.disable("ann")),
    Try(PEOPLE, "access", ("access_chosen",), lambda _ids: access.enable("ann")),
    Try(CREDENTIALS, "access", ("access_chosen",), lambda _ids: access.make_token("ann", 1.0, "")),
    Try(CREDENTIALS, "access", ("access_chosen",), lambda _ids: access.set_password("ann", "long enough for this")),
    Try(CREDENTIALS, "access", ("access_token_chosen",), lambda ids: access.revoke(ids["token"]), {"part": "tokens"}),
    Try(
        "See and end sessions", "access", ("access_session_chosen",), lambda _ids: access.end_sessions("ann"),
        {"part": "sessions"},
    ),
    Try(WEBHOOKS, "webhooks", ("new_webhook",), lambda ids: webhooks.create_webhook(ids["name"], {"url": URL})),
    Try(WEBHOOKS, "webhooks", ("edit_webhook_ci",), lambda _ids: webhooks.change_webhook("ci", {"queues": ["a"]})),
    Try(WEBHOOKS, "webhooks", ("rotate_webhook_ci",), lambda _ids: webhooks.rotate_webhook("ci")),
    Try(WEBHOOKS, "webhooks", ("disable_webhook_ci",), lambda _ids: webhooks.switch_webhook("ci", is_disabled=True)),
    Try(WEBHOOKS, "webhooks", ("delete_webhook_ci",), lambda _ids: webhooks.delete_webhook("none")),
    Try(HOOKS, "webhooks", ("new_webhook",), lambda ids: webhooks.create_hook(ids["name"], HOOK), INBOUND),
    Try(
        HOOKS, "webhooks", ("edit_hook_gh",), lambda _ids: webhooks.change_hook("gh", {"template": "{}", "queue": "a"}),
        INBOUND,
    ),
    Try(HOOKS, "webhooks", ("disable_hook_gh",), lambda _ids: webhooks.switch_hook("gh", is_disabled=True), INBOUND),
    Try(HOOKS, "webhooks", ("rotate_hook_gh",), lambda _ids: webhooks.rotate_hook("gh", None), INBOUND),
    Try(HOOKS, "webhooks", ("delete_hook_gh",), lambda _ids: webhooks.delete_hook("none"), INBOUND),
)  # fmt: skip
