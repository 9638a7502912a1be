"""Submits many tasks in portions, each in a commit of its own.

Checking a task costs as much time as storing it. So PostgreSQL stores the first tasks of a portion while the others are
being checked, where nothing but their number decides how they are stored.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain, islice
from typing import Any

from taskyard.core.chunks import PORTION_BYTES
from taskyard.core.errors import SubmissionError
from taskyard.core.i18n import msg
from taskyard.core.new_task import Submission
from taskyard.core.payload.culprits import positioned, refused
from taskyard.core.postgres.database import Database
from taskyard.core.postgres.store import locks, submission_copy
from taskyard.core.postgres.store.submission import Inserted, is_copyable
from taskyard.core.submission.alike import Check

CHUNK_SIZE = 2_000
ProgressCallback = Callable[[int], None]

Checked = Submission | str | SubmissionError  # to be stored, or the id of an earlier one, or refused


class ManySubmissions:
    """Submits many tasks in portions of at most CHUNK_SIZE tasks and PORTION_BYTES of inputs."""

    def __init__(
        self, database: Database, check_of_a_call: Callable[[], Check], after_commit: Callable[[Inserted], None]
    ) -> None:
        """Checks those of a call by one `check(type, input, options)`; calls `after_commit` after each commit."""
        self._database = database
        self._check_of_a_call = check_of_a_call
        self._after_commit = after_commit

    def submit(self, submissions: Iterable[Mapping[str, Any]], progress: ProgressCallback | None) -> list[str]:
        """Returns the tasks' ids in order; see Submitter.submit_many."""
        ids: list[str] = []
        checked = self._checked(submissions)
        # what a caller's iterator takes to yield the next one is not spent in a transaction
        is_quick = isinstance(submissions, list | tuple)
        while True:
            portion = _Portion(checked)
            inserted = self._stored_while_checked(portion) if is_quick else None
            if inserted is None:
                is_quick = False
                inserted = self._stored(portion, len(ids))
            if not inserted.ids:
                return ids
            self._after_commit(inserted)
            ids += inserted.ids  # type: ignore[arg-type]
            if progress is not None:
                progress(len(ids))

    def _checked(self, items: Iterable[Mapping[str, Any]]) -> Iterator[Checked]:
        """Yields what each submits, and at last the first invalid one's error: storing may refuse one before it."""
        check = self._check_of_a_call()
        for item in items:
            try:
                given = dict(item)
            except Exception:  # raised by the caller's mapping, or because it is none
                yield refused("", item, msg("a mapping of submit's arguments"))
                return
            try:
                yield check(given.pop("type", None), given.pop("input", None), given)
            except SubmissionError as error:
                yield error
                return

    def _stored_while_checked(self, portion: _Portion) -> Inserted | None:
        """Returns None if the tasks can't be stored that way: nothing is stored then."""
        first = next(portion.unread, None)
        if not isinstance(first, Submission) or not is_copyable(first):
            return None
        try:
            with locks.naming_holders(self._database), self._database.transaction() as tx:
                return submission_copy.copy_as_checked(tx, chain([first], portion.unread))
        except submission_copy.MustWait:
            return None

    def _stored(self, portion: _Portion, position: int) -> Inserted:
        """Stores a portion that begins at that position; raises SubmissionError for the first refused one."""
        deque(portion.unread, maxlen=0)
        items = portion.items
        if not items:
            return Inserted([], [])
        if isinstance(items[0], SubmissionError):
            raise positioned(items[0], position)
        with locks.naming_holders(self._database), self._database.transaction() as tx:
            inserted = submission_copy.store(tx, [one for one in items if isinstance(one, Submission)])
            stored = iter(inserted.ids)
            results = [next(stored) if isinstance(one, Submission) else one for one in items]
            for offset, result in enumerate(results):
                if isinstance(result, SubmissionError):
                    raise positioned(result, position + offset)
        return inserted._replace(ids=results)


class _Portion:
    """Reads the next of some items, until there are enough for a commit; `items` are those that were read."""

    def __init__(self, source: Iterator[Checked]) -> None:
        self.items: list[Checked] = []
        self.unread = self._read(source)

    def _read(self, source: Iterator[Checked]) -> Iterator[Checked]:
        size_bytes = 0
        for item in islice(source, CHUNK_SIZE):
            self.items.append(item)
            yield item
            if isinstance(item, Submission) and (size_bytes := size_bytes + item.size_bytes()) >= PORTION_BYTES:
                return
