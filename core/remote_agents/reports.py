"""Checks the reports and heartbeats of an agent that comes by a token (pure).

The leader checks the rest against the claims: a report counts only for the boot that holds the attempt.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from taskyard.core.declarations import LABEL
from taskyard.core.i18n import msg
from taskyard.core.ids import is_id
from taskyard.core.patterns import can_match_type
from taskyard.core.payload.culprits import refused
from taskyard.core.protocol import (
    AgentInfo,
    AskChildren,
    Checkpoint,
    Deregister,
    Done,
    Heartbeat,
    Log,
    Pair,
    Progress,
    Register,
    Released,
    Report,
    Request,
    Started,
    SubmitChild,
    SubmitWorkflow,
    Suspended,
    UntilChildren,
    UntilSignal,
    UntilTime,
    decode_heartbeat,
    encode,
    is_storable,
)
from taskyard.core.redis.decoding import Unreadable, read_reports
from taskyard.core.remote_agents.identity import RemoteAgent
from taskyard.core.submission.validate import check_output

MAX_REPORTS = 1_000  # of one request
MAX_PAIRS = 10_000  # of one report or heartbeat
MAX_SLOTS = 1_024
MAX_SCHEMA_BYTES = 64 << 10  # of the data of a signal that a task waits for
MAX_SECONDS = 253_402_300_799.0  # the end of the year 9999
MAX_VALUE_LENGTH = 200  # characters of an invalid report that an answer shows
ENDS = ("left", "lost")


def check_reports(agent: RemoteAgent, payload: bytes, output_limit_bytes: int) -> list[Report]:
    """Returns the reports of a body; raises SubmissionError for the first that is not one of this agent."""
    reports = read_reports(_utf8(payload))
    if len(reports) > MAX_REPORTS:
        raise refused("reports", len(reports), msg("at most {limit} reports", limit=MAX_REPORTS))
    found: list[Report] = []
    for number, report in enumerate(reports):
        where = f"reports.{number}"
        if isinstance(report, Unreadable):
            shown = report.text[:MAX_VALUE_LENGTH].decode(errors="replace")
            raise refused(where, shown, msg("a report of the protocol: {reason}", reason=report.reason))
        _check(agent, where, report, output_limit_bytes)
        found.append(report)
    return found


def check_heartbeat(agent: RemoteAgent, boot: str, payload: bytes) -> str:
    """Returns the id of the boot that a heartbeat is of; raises SubmissionError if it is not one of this agent."""
    agent_id = agent.id_of(boot)
    try:
        heartbeat: Heartbeat = decode_heartbeat(_utf8(payload))
    except ValueError as error:
        shown = payload[:MAX_VALUE_LENGTH].decode(errors="replace")
        raise refused("heartbeat", shown, msg("a heartbeat of the protocol: {reason}", reason=str(error))) from None
    _check_info(agent, "agent", heartbeat.agent)
    if heartbeat.agent.id != agent_id:
        raise refused("agent.id", heartbeat.agent.id, msg("the boot of the address: {id}", id=agent_id))
    _check_text("generation", heartbeat.generation)
    _check_pairs("held", heartbeat.held)
    return agent_id


def _check(agent: RemoteAgent, where: str, report: Report, output_limit_bytes: int) -> None:
    if isinstance(report, Register):
        _check_registration(agent, where, report)
        return
    agent.check_own(f"{where}.agent_id", report.agent_id)
    if isinstance(report, Deregister):
        if report.state not in ENDS:
            raise refused(f"{where}.state", report.state, msg("one of {names}", names=", ".join(ENDS)))
        _check_text(f"{where}.proof", report.proof)
    elif isinstance(report, Started | Released):
        _check_pairs(f"{where}.pairs", report.pairs)
        if isinstance(report, Started):
            _check_time(f"{where}.at", report.at)
        else:
            _check_text(f"{where}.reason", report.reason)
            _check_text(f"{where}.task_type", report.task_type or "")
    else:
        _check_pairs(where, [(report.task_id, report.attempt)])
        _CHECKS[type(report)](agent, where, report, output_limit_bytes)


def _check_done(agent: RemoteAgent, where: str, report: Done, limit_bytes: int) -> None:
    _check_time(f"{where}.started_at", report.started_at)
    if report.failure is None:
        _check_json(f"{where}.output", bytes(report.output), limit_bytes)
    else:
        _check_text(f"{where}.failure.error_class", report.failure.error_class)


def _check_suspended(agent: RemoteAgent, where: str, report: Suspended, limit_bytes: int) -> None:
    _check_time(f"{where}.started_at", report.started_at)
    if report.has_state:
        _check_json(f"{where}.state", bytes(report.state), limit_bytes)
    until = report.until
    if isinstance(until, UntilTime) and until.at is not None:
        _check_time(f"{where}.until.at", until.at)
    elif isinstance(until, UntilChildren):
        _check_ids(f"{where}.until.ids", until.ids or ())
    elif isinstance(until, UntilSignal):
        _check_json(f"{where}.until.schema", encode(until.schema), MAX_SCHEMA_BYTES)
    if report.failure is not None:
        _check_text(f"{where}.failure.error_class", report.failure.error_class)
        if not isinstance(until, UntilTime):
            raise refused(f"{where}.failure", report.failure.error_class, msg("none, unless it waits for a time"))


def _check_question(agent: RemoteAgent, where: str, report: AskChildren, limit_bytes: int) -> None:
    _check_request(agent, where, report)
    _check_ids(f"{where}.ids", report.ids or ())
    _check_ids(f"{where}.after", [report.after] if report.after else ())


def _check_ids(where: str, ids: Sequence[str]) -> None:
    for id_ in ids:
        if not is_id(id_):
            raise refused(where, id_, msg("the id of a task"))


def _check_said(agent: RemoteAgent, where: str, report: Progress | Log, limit_bytes: int) -> None:
    """Accepts progress and log lines: the protocol's own ranges are all there is to check."""


def _check_checkpoint(agent: RemoteAgent, where: str, report: Checkpoint, limit_bytes: int) -> None:
    _check_request(agent, where, report)  # a state that can't be stored is answered as the request that it is


def _check_child(agent: RemoteAgent, where: str, report: SubmitChild, limit_bytes: int) -> None:
    _check_request(agent, where, report)
    _check_text(f"{where}.child_type", report.child_type)
    _check_text(f"{where}.key", report.key)


def _check_workflow(agent: RemoteAgent, where: str, report: SubmitWorkflow, limit_bytes: int) -> None:
    _check_request(agent, where, report)
    _check_text(f"{where}.key", report.key)


_CHECKS: dict[type, Callable[[RemoteAgent, str, Any, int], None]] = {
    Done: _check_done,
    Suspended: _check_suspended,
    AskChildren: _check_question,
    Progress: _check_said,
    Log: _check_said,
    Checkpoint: _check_checkpoint,
    SubmitChild: _check_child,
    SubmitWorkflow: _check_workflow,
}


def _check_request(agent: RemoteAgent, where: str, report: Request) -> None:
    _check_text(f"{where}.request_id", report.request_id)
    if report.holder:
        agent.check_own(f"{where}.holder", report.holder)


def _check_registration(agent: RemoteAgent, where: str, report: Register) -> None:
    _check_info(agent, f"{where}.agent", report.agent)
    for number, known in enumerate(report.known_types or ()):
        if not agent.takes(known.name):
            field = f"{where}.known_types.{number}.name"
            raise refused(field, known.name, msg("a type within {patterns}", patterns=", ".join(agent.types)))


def _check_info(agent: RemoteAgent, where: str, info: AgentInfo) -> None:
    if info.name != agent.name:
        raise refused(f"{where}.name", info.name, msg("the name of the token: {name}", name=agent.name))
    if info.id != agent.id_of(info.boot_id):
        raise refused(f"{where}.id", info.id, msg("the name, a colon and the boot id"))
    if info.version < 1:
        raise refused(f"{where}.version", info.version, msg("1 or more: reports carry the boot's id"))
    if not info.is_storable():
        raise refused(where, info.kind, msg("texts that PostgreSQL can store"))
    if info.max_concurrency > MAX_SLOTS:
        raise refused(f"{where}.max_concurrency", info.max_concurrency, msg("at most {limit}", limit=MAX_SLOTS))
    if not info.types:
        raise refused(f"{where}.types", info.types, msg("at least one pattern of task types"))
    for number, pattern in enumerate(info.types):
        if not can_match_type(pattern):
            raise refused(f"{where}.types.{number}", pattern, msg("a pattern of task types such as analysis.*"))
        agent.check_pattern(f"{where}.types.{number}", pattern)
    for number, tag in enumerate(info.tags):
        if not LABEL.fullmatch(tag):
            raise refused(f"{where}.tags.{number}", tag, msg("1 to 64 lower-case letters, digits or ._-"))


def _check_pairs(where: str, pairs: Sequence[Pair]) -> None:
    if len(pairs) > MAX_PAIRS:
        raise refused(where, len(pairs), msg("at most {limit} attempts", limit=MAX_PAIRS))
    for task_id, _attempt in pairs:
        if not is_id(task_id):
            raise refused(where, task_id, msg("the id of a task"))


def _check_time(where: str, at: float) -> None:
    if not 0.0 <= at <= MAX_SECONDS:
        raise refused(where, at, msg("epoch seconds until the end of the year 9999"))


def _check_text(where: str, text: str) -> None:
    if not is_storable(text):
        raise refused(where, text, msg("text without NUL characters, which PostgreSQL can't store"))


def _check_json(where: str, text: bytes, limit_bytes: int) -> None:
    problem = check_output(text, limit_bytes)
    if problem is not None:
        shown = text[:MAX_VALUE_LENGTH].decode(errors="replace")
        raise refused(where, shown, msg("JSON that can be stored: {problem}", problem=problem))


def _utf8(payload: bytes) -> bytes:
    try:
        payload.decode()
    except UnicodeDecodeError as error:
        shown = payload[error.start : error.start + 20].decode(errors="backslashreplace")
        raise refused("body", shown, msg("text in UTF-8")) from None
    return payload
