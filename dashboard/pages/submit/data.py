"""Reads the Submit page's data: task types, submissions by form and from files, and their status."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from taskyard.core.access.identity import Actor
from taskyard.core.access.permissions import Permission
from taskyard.core.config import settings
from taskyard.core.errors import SubmissionError, Unavailable
from taskyard.core.explain_prediction import prediction_text
from taskyard.core.i18n import msg
from taskyard.core.ids import parsed_id
from taskyard.core.learning.keys import keys_of
from taskyard.core.learning.prediction import Prediction
from taskyard.core.postgres.store import submission_status, tasks
from taskyard.core.postgres.store.submission_status import SubmissionStatus, Unsuccessful
from taskyard.core.states import TERMINAL
from taskyard.core.submission import file_check
from taskyard.core.submission.bulk_rows import Checked, Submittable
from taskyard.core.submission.open_servers import Servers
from taskyard.core.task_types.registry import Registry, registry
from taskyard.core.views.masking import masked_status, masked_unsuccessful
from taskyard.core.views.narrowing import check_seen, seen_ids
from taskyard.core.views.seeing import names_among, sees_queue
from taskyard.dashboard.data import base
from taskyard.dashboard.data.base import Reading, connections, forget, live
from taskyard.dashboard.data.readings import seen
from taskyard.dashboard.data.viewer import acting, actor

PREDICTED_SECONDS = 5.0
OUTPUT_BYTES = 20_000  # longer outputs are shown only on the task's own page
FAILURES_SHOWN = 50
# How long a batch's status is used: of a small one, of a large one (0.2 s for 50,000), of one that ended.
SMALL_SECONDS, LARGE_SECONDS, SETTLED_SECONDS = 2.0, 10.0, 30.0
LARGE_TASKS = 5_000


@dataclass(frozen=True, slots=True)
class Names:
    """Suggestions for queues and tags: those in use now."""

    queues: tuple[str, ...]
    tags: tuple[str, ...]


@seen(ttl_seconds=PREDICTED_SECONDS, needs=Permission.TASK_SUBMIT)
def predicted(servers: Servers, sight: Actor, task_type: str, creator: str, size: str) -> str:
    """Returns how long a task would be predicted to run; empty if nothing is known."""
    texts = servers.broker.predictions.read(keys_of(task_type, creator, size)).predictions
    for level, text in reversed(list(enumerate(texts))):
        if text is not None:
            with suppress(ValueError):
                return prediction_text(Prediction.parse(text.decode(errors="replace"), level))
    return ""


@dataclass(frozen=True, slots=True)
class Copied:
    """A task to fill the form with. Values equal to the type's defaults are None."""

    id: str
    type: str
    input: Any
    title: str | None
    queue: str
    priority: str
    timeout_seconds: float | None
    max_attempts: int | None
    run_at: datetime | None
    requires: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class BatchStatus:
    """The number of a batch's tasks in each state, and the first that did not succeed."""

    by_state: Mapping[str, int]
    unsuccessful: Sequence[Unsuccessful]

    @property
    def ended(self) -> int:
        return sum(self.by_state.get(state, 0) for state in TERMINAL)


@dataclass(frozen=True, slots=True)
class Following:
    """The status of followed tasks by id, and of batches by their joined ids."""

    standings: Mapping[str, SubmissionStatus]
    batches: Mapping[str, BatchStatus]


def types() -> Registry:
    """Returns the task types; needs no server. Raises ConfigurationError."""
    return registry.load(settings().task_modules)


@seen(ttl_seconds=5.0)
def names(servers: Servers, sight: Actor) -> Names:
    """Returns the queues and tags in use now."""
    snapshot = live(servers)
    queues = {"default", *servers.settings.placement_by_queue}
    tags: set[str] = set()
    if snapshot:
        queues |= {lane.queue for lane in snapshot.lanes} | {count.queue for count in snapshot.open}
        tags = {tag for agent in snapshot.agents for tag in agent.tags}
    queues |= set(names_among(sight.queues))
    return Names(tuple(sorted(name for name in queues if sees_queue(sight, name))), tuple(sorted(tags)))


def form_key(fill: str, type: str, given: Mapping[str, Any], options: Mapping[str, Any]) -> str:
    """Returns the idempotency key of a form's content: the same content, submitted twice, is the same task.

    `fill` is new for each filling of the form, so that the same content can be submitted again on purpose.
    """
    content = [fill, type, given, {name: str(value) for name, value in options.items()}]
    text = json.dumps(content, sort_keys=True)  # orjson takes no integer above 64 bits, which is for core to refuse
    return f"form-{hashlib.blake2b(text.encode(), digest_size=12).hexdigest()}"


def submit(type: str, given: Mapping[str, Any], options: Mapping[str, Any], key: str) -> str:
    """Submits a task as the viewer and returns its id; `key` is used if `options` have no key.

    Raises SubmissionError, NotPermitted, ConfigurationError, Unavailable.
    """
    arguments = {"idempotency_key": key, **options}
    with _reaching():
        task_id = acting().submit(type, given, **arguments)
    forget()
    return task_id


def copied(task_id: str) -> Copied:
    """Returns a task to be submitted again; raises SubmissionError for an invalid id, TaskNotFound, NotPermitted,
    Unavailable.
    """
    id_ = parsed_id(task_id)
    if id_ is None:
        raise SubmissionError("copy", task_id, msg("the id of a task (a UUID)"))
    who = actor()
    who.require(Permission.PAYLOAD_READ)
    with _reaching() as servers, servers.database.transaction() as tx:
        task = tasks.get_task(tx, id_)
    check_seen(who, [task], id_)
    known = types().types.get(task.type)
    is_ahead = task.run_at is not None and task.run_at > base.now()
    return Copied(
        id=task.id,
        type=task.type,
        input=task.input,
        title=task.title,
        queue=task.queue,
        priority=task.priority.label,
        timeout_seconds=None if known and task.timeout_seconds == known.timeout_seconds else task.timeout_seconds,
        max_attempts=None if known and task.max_attempts == known.retry.max_attempts else task.max_attempts,
        run_at=task.run_at if is_ahead else None,
        requires=tuple(tag for tag in task.requires if not known or tag not in known.requires),
    )


def check_file(content: bytes, name: str) -> tuple[Checked, int]:
    """Returns what each row of a file would submit as the viewer, and how many are tasks already.

    Raises SubmissionError if it can't be read as a whole, ConfigurationError and Unavailable.
    """
    with _reaching() as servers:
        return file_check.check_file(servers, acting(), content, name)


def has_guarded(checked: Checked) -> bool:
    """Returns True if rows are of types that run code or read files; those of the viewer's lack are problems."""
    names = {row.arguments["type"] for row in checked.submittable}
    names |= {problem.value for problem in checked.problems if problem.field == "type"}
    known = types().types
    return any(known[name].is_guarded for name in names if name in known)


def submit_rows(rows: Sequence[Submittable]) -> list[str]:
    """Submits a few rows as the viewer, all or none, and returns their ids.

    Raises SubmissionError (`submissions.<position>.<field>`), NotPermitted, ConfigurationError, Unavailable.
    """
    with _reaching():
        ids = acting().submit_many([row.arguments for row in rows])
    forget()
    return ids


def follow(ones: Sequence[str], batches: Sequence[tuple[str, bool]]) -> Reading[Following]:
    """Returns the status of single tasks and batches.

    A batch is its ids joined by commas, and whether it had ended at the last read: ended ones are read rarely.
    """
    parts: list[Reading[Any]] = [_standings(tuple(ones))] if ones else []
    parts += [_batch(ids, is_settled) for ids, is_settled in batches]
    problems = tuple(dict.fromkeys(problem for part in parts for problem in part.problems))
    at = min((part.at for part in parts), default=base.now())
    if any(part.value is None for part in parts):
        return Reading(None, at, problems)
    values: list[Any] = [part.value for part in parts]
    found = zip([ids for ids, _is_settled in batches], values[1 if ones else 0 :], strict=True)
    return Reading(Following(values[0] if ones else {}, dict(found)), at, problems)


@seen()
def _standings(servers: Servers, sight: Actor, ids: tuple[str, ...]) -> dict[str, SubmissionStatus]:
    with servers.database.transaction() as tx:
        known = seen_ids(tx, sight, ids)
        found = submission_status.standings(tx, [one for one in ids if one in known], OUTPUT_BYTES)
    return {id_: masked_status(one, sight) for id_, one in found.items()}


def _read_batch(servers: Servers, sight: Actor, ids: str) -> BatchStatus:
    with servers.database.transaction() as tx:
        known = seen_ids(tx, sight, ids.split(","))
        listed = [one for one in ids.split(",") if one in known]
        by_state = submission_status.states_of(tx, listed)
        has_some = by_state.get("failed", 0) + by_state.get("cancelled", 0)
        others = submission_status.unsuccessful(tx, listed, FAILURES_SHOWN) if has_some else []
    return BatchStatus(by_state, [masked_unsuccessful(one, sight) for one in others])


_batch_small = seen(ttl_seconds=SMALL_SECONDS, max_entries=50)(_read_batch)
_batch_large = seen(ttl_seconds=LARGE_SECONDS, max_entries=50)(_read_batch)
_batch_settled = seen(ttl_seconds=SETTLED_SECONDS, max_entries=50)(_read_batch)


def _batch(ids: str, is_settled: bool) -> Reading[BatchStatus]:
    if is_settled:
        return _batch_settled(ids)
    return (_batch_large if ids.count(",") >= LARGE_TASKS else _batch_small)(ids)


@contextmanager
def _reaching() -> Iterator[Servers]:
    """Lends the connections for unshared use; closes a pool that leads to a server that is gone."""
    servers = connections()
    try:
        yield servers
    except Unavailable:
        servers.database.close()
        raise
