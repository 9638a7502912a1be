"""What a tick's transaction does to the row: settles, gives up, begins second attempts, claims."""

from __future__ import annotations

from tests.model.agent import MANY
from tests.model.rows import given_up, is_queued, suspended
from tests.model.rules import Setting
from tests.model.state import ASSIGNED, CLAIMED, COMPLETED, IN_PROGRESS, SUSPENDED, Batch, Row, State

ENDS = ("done", "suspended")
MAX_HEDGES = 3  # the number of the last attempt that is a second one: more show nothing new


def applied(state: State, batch: Batch, setting: Setting, *, is_old: bool) -> tuple[State, Batch]:
    """Settles in the order of the reports, gives up, claims; every statement has its guard.

    A row that somebody else holds is passed over: nothing happens to it.
    """
    row, wrong, is_back, credit, answered = state.row, state.wrong, False, state.credit, state.answered
    was_attempt = row.attempt
    understood = [report for report in (*batch.kept, *batch.reports) if not is_old or report.kind not in ENDS]
    kept = tuple(report for report in state.kept if report not in batch.kept)
    if is_old and setting.has("P21"):
        kept += tuple(report for report in dict.fromkeys(batch.reports) if report.kind in ENDS and report not in kept)
    if state.is_held:
        is_current = row.state in CLAIMED and any(
            kind in ("started", "done", "suspended", "returned") and attempt == row.attempt
            for kind, attempt, _, _ in (*batch.kept, *batch.reports)
        )
        return state, batch._replace(is_waiting=is_queued(row, setting) and batch.sweeps, is_passed_over=is_current)
    for kind, attempt, _, _ in understood:
        if kind == "done" and attempt == row.hedged != row.attempt:
            row, wrong = _first_to_end(row, wrong, setting)
        is_current = row.state in CLAIMED and row.attempt == attempt
        if kind == "started" and is_current:
            row = row._replace(state=IN_PROGRESS)
        elif kind == "forged done" and is_current and not setting.has("P4 holder"):
            wrong = f"attempt {attempt} is settled by somebody who does not hold it"
        elif kind == "done in another's name" and is_current and not setting.has("P4 sender"):
            wrong = f"attempt {attempt} is settled by another agent in the name of the one that holds it"
        elif kind == "done" and (is_current or not setting.has("P4")):
            if not is_current:
                wrong = f"the result of attempt {attempt} is accepted, which is not the current one"
            row = row._replace(state=COMPLETED)
        elif kind == "suspended" and (is_current or not setting.has("P18 current")):
            if not is_current:
                wrong = f"attempt {attempt} suspends the task, which is not the current one"
            row, is_back = suspended(row, setting), True
            credit += 1
            if setting.max_attempts and row.charged >= setting.max_attempts:
                wrong = "the task fails, and none of its attempts did"
        elif kind == "returned" and is_current:
            row, is_back = _lost(row, setting), True
    was = row
    is_withheld = setting.has("P21 withheld") and any(report.attempt == row.attempt for report in kept)
    is_claimed = row.state in CLAIMED and not is_withheld
    if batch.given_up is not None and is_claimed and row.attempt == batch.given_up[0]:
        row = _lost(row, setting)
    row, batch, wrong = _hedges_applied(row, was_attempt, batch, wrong, setting)
    credit += bool(batch.hedged)
    if batch.claim_for is not None and (is_queued(row, setting) or not setting.has("P3")):
        if not is_queued(row, setting):
            wrong = f"a task that is {row.state} is claimed again"
        grows = setting.has("P2") or not row.attempt
        if setting.has("P22 number"):
            row = row._replace(attempt=max(row.attempt, row.hedged))
        has_run_out = row.state == SUSPENDED and setting.has("P19 timeout")
        row = row._replace(
            state=ASSIGNED, attempt=row.attempt + grows, boot=batch.claim_for, answer=row.answer or has_run_out
        )
        answered |= {row.attempt} if row.answer else set()
        batch = batch._replace(claimed=row.attempt)
        if row.attempt > MANY:
            wrong = "attempts go on without end"
    is_waiting = is_queued(row, setting) and (row != was or batch.sweeps or is_back)
    after = state._replace(row=row, wrong=wrong, credit=credit, answered=answered, kept=kept)
    return after, batch._replace(is_waiting=is_waiting)


# second attempts


def is_hedgeable(row: Row, setting: Setting) -> bool:
    """Whether a second attempt may begin: beside one that has started, once for each."""
    return (row.state == IN_PROGRESS and row.hedged <= row.attempt) or not setting.has("P22 beside")


def _lost(row: Row, setting: Setting) -> Row:
    """The current attempt ended without a result: the one beside it takes over, if there is one."""
    if row.hedge is None:
        return given_up(row, setting)
    return row._replace(attempt=row.hedge[0], boot=row.hedge[1], state=ASSIGNED, hedge=None)


def _hedges_applied(row: Row, was_attempt: int, batch: Batch, wrong: str, setting: Setting) -> tuple[Row, Batch, str]:
    is_over = row.state not in CLAIMED or row.attempt != was_attempt
    if row.hedge is not None and is_over and setting.has("P22 current"):
        row = row._replace(hedge=None)
    if batch.drops_hedge:
        row = row._replace(hedge=None)
    if batch.hedge_for is not None and row.attempt == was_attempt and is_hedgeable(row, setting):
        if row.state != IN_PROGRESS or row.hedged > row.attempt:
            wrong = f"a second attempt begins beside one that is {row.state}, or again"
        row = row._replace(hedge=(row.attempt + 1, batch.hedge_for), hedged=row.attempt + 1)
        batch = batch._replace(hedged=row.attempt + 1)
    return row, batch, wrong


def _first_to_end(row: Row, wrong: str, setting: Setting) -> tuple[Row, str]:
    """The second attempt has ended first: it becomes the current one, if the task is still open and has it."""
    has_it = row.hedge is not None and row.state in CLAIMED
    if not has_it and setting.has("P22 first"):
        return row, wrong
    if not has_it:
        wrong = f"a second attempt ends a task that is {row.state}, or no longer has it"
    elif row.hedged < row.attempt:
        wrong = "the number of the current attempt goes back"
    return row._replace(attempt=row.hedged, boot=row.hedge[1] if row.hedge else row.boot, hedge=None), wrong
