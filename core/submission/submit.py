"""Submits, cancels and retries tasks: validate → persist → enqueue.

Redis is notified after the commit; while it is away tasks are still accepted, and the sweep finds them.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Unpack

import psycopg2

from taskyard.core.clock import Clock
from taskyard.core.config import Settings
from taskyard.core.errors import Busy, SubmissionError, Unavailable
from taskyard.core.i18n import msg
from taskyard.core.new_task import Submission
from taskyard.core.payload.culprits import refused
from taskyard.core.payload.seconds import finite_seconds
from taskyard.core.postgres.database import CallerTransaction, Database
from taskyard.core.postgres.store import dependants, locks, submission_copy, tasks
from taskyard.core.postgres.store import submission as submission_store
from taskyard.core.postgres.store.submission import Inserted
from taskyard.core.postgres.store.tasks import TaskResult
from taskyard.core.redis.broker import Broker
from taskyard.core.redis.connection import connect_redis
from taskyard.core.redis.ports import SubmitterPort
from taskyard.core.submission import known_calls
from taskyard.core.submission.alike import AlikeCheck
from taskyard.core.submission.commands import ManyTaskCommands, TaskCommands, check_task_id
from taskyard.core.submission.every_problem import every_problem
from taskyard.core.submission.group_commit import GroupCommitter
from taskyard.core.submission.many import ManySubmissions, ProgressCallback
from taskyard.core.submission.open_keys import Alone, OpenKeys
from taskyard.core.submission.options import OPTIONS, SubmitOptions
from taskyard.core.submission.predictor import Predictor
from taskyard.core.submission.queue_notifier import QueueNotifier
from taskyard.core.submission.validate import Limits, validate_submission
from taskyard.core.submission.waiting import wait_for
from taskyard.core.submission.workflow_submission import WorkflowSubmitter
from taskyard.core.task_types.registry import Registry, TaskType

if TYPE_CHECKING:
    import sqlalchemy

    from taskyard.core.task_types.published import PublishedTypes

GROUP_TIMEOUT_MS = 50  # that a group of submissions waits for a lock before those without a key go ahead

log = logging.getLogger(__name__)


class Submitter(TaskCommands):
    """Submits and changes tasks. One per process is enough; every method is thread-safe."""

    def __init__(
        self,
        settings: Settings,
        registry: Registry,
        database: Database,
        broker: SubmitterPort,
        clock: Clock | None = None,
        published: PublishedTypes | None = None,
    ) -> None:
        """Accepts the types of `registry`, and those that agents published if `published` is given."""
        predict = Predictor(broker.predictions.read)
        self._registry = registry
        self._published = published
        self._limits = Limits.of(settings)
        super().__init__(database, QueueNotifier(broker), settings.input_limit_bytes)
        self.commands = ManyTaskCommands(database, self._notifier)
        self._clock = clock or Clock()
        self._endings = broker.endings
        self.workflows = WorkflowSubmitter(
            registry, published, self._limits, database, self._notifier, self._clock, predict
        )
        self._many = ManySubmissions(database, self._check_of_many, self._after_commit)
        self._keys = OpenKeys()
        self._predict = predict
        self._group: GroupCommitter[Submission, str | SubmissionError | Alone] = GroupCommitter(
            self.store_together, Submission.size_bytes
        )

    def submit(
        self,
        type: str,
        input: Any = None,
        *,
        connection: sqlalchemy.Connection | None = None,
        **options: Unpack[SubmitOptions],
    ) -> str:
        """Submits one task and returns its id; it is committed then.

        `options` are title, queue, priority (low, medium, high, urgent), timeout_seconds,
        max_attempts, delay_seconds or run_at, requires (tags), idempotency_key, created_by,
        after (ids of tasks to wait for) and when (how they must end: completed, ended, failed).
        With `connection` the task joins the caller's transaction and exists if and only if that commits; it starts when
        the sweep finds it, or at once if the caller then calls `wake`. An idempotency key used before returns the first
        task's id. Raises SubmissionError, IdempotencyConflict or Unavailable.
        """
        checked = self.check(type, input, options)
        if connection is not None and not _is_of_sqlalchemy(connection):
            raise refused("connection", connection, msg("a connection of SQLAlchemy"))
        if isinstance(checked, str):
            return checked
        if connection is not None:
            result = submission_store.insert(CallerTransaction(connection), [checked]).ids[0]
        else:
            result = self._submit_together(checked)
        if isinstance(result, SubmissionError):
            raise result
        return result

    def submit_many(
        self, submissions: Iterable[Mapping[str, Any]], *, progress: ProgressCallback | None = None
    ) -> list[str]:
        """Submits many tasks, each a mapping of `submit`'s arguments; returns their ids in order.

        They are stored in chunks of at most CHUNK_SIZE tasks and PORTION_BYTES of inputs, each committed separately,
        with bounded memory besides the ids; `progress` is called with the number stored so far. Raises
        SubmissionError for the first refused one, naming its position: chunks before it are stored, its own chunk and
        later ones are not.
        """
        if not isinstance(submissions, Iterable):
            raise refused("submissions", submissions, msg("mappings of submit's arguments"))
        if progress is not None and not callable(progress):
            raise refused("progress", progress, msg("a function"))
        return self._many.submit(submissions, progress)

    def problems_of(self, submission: Mapping[str, Any]) -> list[SubmissionError]:
        """Returns all problems of a mapping of `submit`'s arguments, one error per part; stores nothing."""
        unknown = [name for name in submission if name not in ("type", "input", *OPTIONS)]
        known = {name: value for name, value in submission.items() if name not in unknown}
        found = [refused("options", name, msg("one of {names}", names=", ".join(OPTIONS))) for name in unknown]
        return found + every_problem(known, self._registry, self._limits, self._clock.now())

    def find_published(self, type: str) -> TaskType | None:
        """Returns a type that only agents have; None if there is none, or none is wanted. Raises Unavailable."""
        return None if self._published is None else self._published.find(type)

    def check(
        self, type: str, input: Any, options: Mapping[str, Any], *, asks_database: bool = True
    ) -> Submission | str:
        """Returns the submission, or the id of an earlier task of the same call that would be refused now.

        Stores nothing. With `asks_database=False` it does not look for such a task. Raises SubmissionError or
        Unavailable.
        """
        for name in options:
            if name not in OPTIONS:
                raise refused("options", name, msg("one of {names}", names=", ".join(OPTIONS)))
        now = self._clock.now()
        try:
            registry = self._published.checked(type, input) if asks_database and self._published else self._registry
            return validate_submission(
                type, input, **options, registry=registry, limits=self._limits, now=now, predict=self._predict
            )
        except SubmissionError:
            first_id = known_calls.find_first(self._database, type, input, options, now) if asks_database else None
            if first_id is None:
                raise
            return first_id

    def store_together(self, submissions: Sequence[Submission]) -> list[str | SubmissionError | Alone]:
        """Commits checked submissions of several callers in one transaction; returns a result for each.

        `Alone` is the result of one whose idempotency key an open transaction has used: only its caller waits, by
        `store_alone`. Raises Busy or Unavailable.
        """
        open_keys = self._keys.open_ones()
        together = [s for s in submissions if s.idempotency_key not in open_keys] if open_keys else submissions
        results: dict[str, str | SubmissionError | Alone] = {s.id: Alone() for s in submissions}
        has_keys = any(s.idempotency_key is not None for s in together)
        try:
            results.update(self._insert(together, GROUP_TIMEOUT_MS if has_keys else None))
        except Busy as error:
            if not (has_keys and error.is_locked):
                raise
            keyless = [s for s in together if s.idempotency_key is None]
            results.update(self._insert(keyless, None))
        return [results[s.id] for s in submissions]

    def store_alone(self, submission: Submission) -> str | SubmissionError:
        """Stores a submission whose key another open transaction has used; raises Busy."""
        with locks.naming_holders(self._database), self._keys.waiting_for(str(submission.idempotency_key)):
            return self._insert([submission], None)[submission.id]  # type: ignore[return-value]

    def store_many(self, submissions: Sequence[Submission]) -> list[str | SubmissionError]:
        """Commits checked submissions, not more than a chunk, in one transaction; returns a result for each of them."""
        with locks.naming_holders(self._database), self._database.transaction() as tx:
            inserted = submission_copy.store(tx, submissions)
        self._after_commit(inserted)
        return inserted.ids

    def wake(self, task_ids: Sequence[str]) -> None:
        """Queues tasks that were submitted in a caller's transaction, after its commit."""
        ids = [check_task_id(task_id) for task_id in task_ids]
        with self._database.transaction() as tx:
            dependants.check_again(tx, ids)
            waiting = tasks.waiting(tx, ids)
        self._notifier.push(waiting)

    def result(self, task_id: str, timeout_seconds: float) -> TaskResult:
        """Waits until a task has ended and returns its state with its output or error.

        Returns the current state if it has not ended in time. Raises SubmissionError, TaskNotFound or Unavailable.
        """
        id_, seconds = check_task_id(task_id), finite_seconds("timeout_seconds", timeout_seconds)
        return wait_for(self._database, self._clock, self._endings, id_, seconds)

    # ours

    def _check_of_many(self) -> AlikeCheck:
        return AlikeCheck(self.check, self._registry, self._limits.input_limit_bytes, self._predict)

    def _submit_together(self, submission: Submission) -> str | SubmissionError:
        with locks.naming_holders(self._database):
            result = self._group.run(submission)
        return self.store_alone(submission) if isinstance(result, Alone) else result

    def _insert(
        self, submissions: Sequence[Submission], lock_timeout_ms: int | None
    ) -> dict[str, str | SubmissionError | Alone]:
        """Stores submissions in one commit; raises Busy or Unavailable."""
        if not submissions:
            return {}
        # a task and its parents are one transaction; without parents, one statement does it all
        try:
            if any(submission.after for submission in submissions):
                with self._database.transaction() as tx:
                    if lock_timeout_ms is not None:
                        locks.wait_at_most(tx, lock_timeout_ms)
                    inserted = submission_store.insert(tx, submissions)
            else:
                with self._database.statements(lock_timeout_ms) as tx:
                    inserted = submission_store.insert(tx, submissions)
        except psycopg2.DataError as error:
            if len(submissions) == 1:
                text = msg("what PostgreSQL can store ({reason})", reason=str(error))
                return {submissions[0].id: SubmissionError("input", submissions[0].input_json, text)}
            # validation should have refused it: store the others without it
            return {id_: one for s in submissions for id_, one in self._insert([s], lock_timeout_ms).items()}
        self._after_commit(inserted)
        return {s.id: result for s, result in zip(submissions, inserted.ids, strict=True)}

    def _after_commit(self, inserted: Inserted) -> None:
        """Notifies Redis, and settles tasks whose parents ended before the commit.

        Optional: the leader's sweep finds what this misses.
        """
        waiting = inserted.waiting
        if inserted.blocked:
            try:
                with self._database.transaction() as tx:
                    waiting = [*waiting, *dependants.check_again(tx, inserted.blocked)]
            except Unavailable as error:
                log.warning("parents of new tasks are left to the leader: %s", error)
        self._notifier.push(waiting)
        self._notifier.push_alike(inserted.alike)


def _is_of_sqlalchemy(connection: object) -> bool:
    import sqlalchemy  # who has such a connection has loaded it

    return isinstance(connection, sqlalchemy.Connection)


def open_submitter(settings: Settings, registry: Registry, database_url: str, redis_url: str) -> Submitter:
    """Returns a submitter with its own connections."""
    broker = Broker(connect_redis(redis_url), settings.namespace, settings.placement_of)
    return Submitter(settings, registry, Database(database_url), broker)
