"""Defines operations on many tasks as requests and answers have them."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import Annotated, Any

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

from taskyard.api.models.common import ReasonText
from taskyard.api.models.retries import RETRY_SCOPES, TaskAgain
from taskyard.api.models.tasks import EXAMPLE_ID
from taskyard.core.edges import RetryScope
from taskyard.core.filters.fields import check_time
from taskyard.core.postgres.store.search import Matching
from taskyard.core.submission.bulk import MAX_IDS
from taskyard.core.submission.bulk_operation import Action
from taskyard.core.submission.bulk_preview import Preview

Count = Annotated[int, Field(ge=0, le=1_000_000_000_000)]


class MatchingInfo(BaseModel):
    """The tasks that a preview counted: an operation with it leaves out what was submitted later."""

    model_config = ConfigDict(from_attributes=True, extra="forbid")

    count: Count
    is_exact: bool = Field(description="If not, there are at least that many")
    as_of: Annotated[AwareDatetime, AfterValidator(partial(check_time, "matching.as_of"))] = Field(
        description="When they were counted, by the database's clock"
    )

    def matching(self) -> Matching:
        """Returns it as the engine takes it."""
        return Matching(self.count, self.is_exact, self.as_of)


class BulkTarget(BaseModel):
    """An operation and its tasks: those of a filter, all, or a list."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"action": "retry", "filter": {"types": ["analysis.profile"]}}]}
    )

    action: Action = Field(description="cancel, retry, or priority")
    filter: dict[str, Any] | None = Field(
        None,
        description="The fields of a search for tasks; `states`, `types`, `queues` and `priorities` are lists",
        examples=[{"states": ["failed"], "since": "24h"}],
    )
    all: bool = Field(False, description="Every task, instead of a filter")
    ids: list[str] | None = Field(
        None, min_length=1, max_length=MAX_IDS, description="Ids, instead of a filter", examples=[[EXAMPLE_ID]]
    )
    priority: str | None = Field(None, description="The new one, for the action priority", examples=["high"])
    scope: RetryScope = Field(RetryScope.THIS, description=f"Of the action retry: {RETRY_SCOPES}")


class BulkOrder(BulkTarget):
    """An operation to run."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"action": "retry", "filter": {"types": ["analysis.profile"]}, "reason": "the host is back"}]
        },
    )

    reason: ReasonText = Field(min_length=1, description="Why; it is kept in every task's history")
    matching: MatchingInfo | None = Field(
        None, description="Of the preview: tasks submitted after it are left alone; else those submitted from now on"
    )


class BulkPreview(BaseModel):
    """What an operation would change."""

    meant: int = Field(description="Tasks that are meant")
    changed: int = Field(description="Tasks whose state allows it")
    is_exact: bool = Field(description="If not, there are at least that many")
    matching: MatchingInfo | None = Field(description="Pass it on with the operation; null for a list of ids")
    besides: int | None = Field(
        description="Of a retry with a scope: tasks that run again besides those; null: too many to foretell"
    )
    again: list[TaskAgain] = Field(description="Of a retry with a scope: the first 100 of all tasks that run again")

    @classmethod
    def of(cls, seen: Preview) -> BulkPreview:
        """Returns a preview as answers have it."""
        matching = None if seen.matching is None else MatchingInfo.model_validate(seen.matching)
        again = [TaskAgain.model_validate(one) for one in seen.again]
        return cls(
            meant=seen.meant,
            changed=seen.changed,
            is_exact=seen.is_exact,
            matching=matching,
            besides=seen.besides,
            again=again,
        )


class BulkProgress(BaseModel):
    """A line of the answer to an operation; the last one `is_over`."""

    done: int = Field(description="Tasks that were changed")
    skipped: int = Field(description="Tasks whose states or parents did not allow it")
    total: int = Field(description="Tasks of the preview")
    is_over: bool = False
    id: str | None = Field(None, description="The operation's id in the audit log, in the last line")
    dependants: int | None = Field(
        None,
        description="Tasks changed besides: cancelled because they waited for one of these, or retried by the scope",
    )
    is_stopped: bool | None = Field(None, description="Whether it ended before all were done")
    problem: str | None = Field(None, description="What ended it early; what is done stays")


class SavedFilterInfo(BaseModel):
    """A search for tasks that is saved for everybody."""

    name: str = Field(examples=["Failed reports"])
    filter: dict[str, Any] | None = Field(description="Its fields; null if this version can't read it")
    problem: str = Field(description="Why it can't be read")
    actor: str = Field(description="Who saved it")
    saved_at: datetime


class NewFilter(BaseModel):
    """A search to save."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"name": "Failed reports", "filter": {"states": ["failed"]}}]},
    )

    name: str = Field(description="1 to 100 printable characters", examples=["Failed reports"])
    filter: dict[str, Any] = Field(description="The fields of a search for tasks")
    overwrite: bool = Field(False, description="Replace the one of this name, if there is one")
