"""What each kind of rule measures: pure functions of the signals, giving a reading for each subject.

None means that nothing can be said now; a subject that is not in the answer is as good as zero.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from taskyard.core.alerts import texts
from taskyard.core.alerts.rules import Rule
from taskyard.core.alerts.texts import counted
from taskyard.core.models import Lane
from taskyard.core.scheduling.placement import slots_of, unplaceable_reason
from taskyard.worker.alerts.own_conditions import OF_THE_WORKER
from taskyard.worker.alerts.reading import Reading, Readings
from taskyard.worker.alerts.signals import Signals


def read(rule: Rule, signals: Signals) -> Readings | None:
    """The readings of everything that the rule covers; None if it can't be told."""
    found = _READERS[rule.kind](rule, signals)
    return None if found is None else {subject: r for subject, r in found.items() if rule.covers(subject)}


def _leader_missing(rule: Rule, signals: Signals) -> Readings | None:
    if signals.is_led is None:
        return None
    return {"leader": Reading(float(not signals.is_led), texts.NO_LEADER)}


def _server_down(rule: Rule, signals: Signals) -> Readings | None:
    servers = signals.servers()
    if servers is None:
        return None
    return {s.name: Reading(float(not s.is_up), s.problem or texts.NO_ANSWER.format(server=s.name)) for s in servers}


def _not_started(rule: Rule, signals: Signals) -> Readings | None:
    live = signals.live
    if live is None:
        return None
    text = texts.NOT_STARTED
    return {
        agent.name: Reading(
            agent.unstarted_seconds, text.format(agent=agent.name, seconds=f"{agent.unstarted_seconds:.0f}")
        )
        for agent in live.agents
    }


def _tick_blocked(rule: Rule, signals: Signals) -> Readings | None:
    waits = signals.lock_waits()
    if waits is None:
        return None
    found: dict[str, Reading] = {}
    for wait in sorted(waits, key=lambda wait: wait.seconds):  # of several on one table the longest is told
        found[wait.subject] = Reading(wait.seconds, wait.text)
    return found


def _no_agent(rule: Rule, signals: Signals) -> Readings | None:
    live = signals.live
    if live is None:
        return None
    agents = [slots_of(agent) for agent in live.agents]
    found: dict[str, Reading] = {}
    for lane in live.lanes:
        reason = unplaceable_reason(Lane(lane.queue, lane.type, tuple(lane.requires)), agents)
        if reason is not None:
            text = counted(texts.NOBODY_TAKES, lane.ready, type=lane.type, reason=reason)
            found[lane.type] = Reading(1.0, text)
    return found


def _oldest_waiting(rule: Rule, signals: Signals) -> Readings | None:
    live = signals.live
    if live is None:
        return None
    found: dict[str, Reading] = {}
    for lane in live.lanes:
        if lane.oldest_ready_at is None:
            continue
        seconds = max(0.0, live.open_at - lane.oldest_ready_at)
        if lane.queue not in found or found[lane.queue].value < seconds:
            text = texts.WAITED.format(queue=lane.queue, type=lane.type, seconds=f"{seconds:.0f}")
            found[lane.queue] = Reading(seconds, text)
    return found


def _queue_growth(rule: Rule, signals: Signals) -> Readings | None:
    depths = signals.depths(rule.window_seconds)
    if depths is None:
        return None
    return {
        queue: Reading(
            float(now - then),
            texts.GREW.format(queue=queue, then=then, now=now, window=f"{rule.window_seconds:g}"),
        )
        for queue, (then, now) in depths.items()
    }


def _failure_rate(rule: Rule, signals: Signals) -> Readings | None:
    attempts = signals.attempts(rule.window_seconds)
    if attempts is None:
        return None
    found = {}
    for name, counts in attempts.items():
        ended = counts.succeeded + counts.failed
        if ended >= rule.least_count:
            share = counts.failed / ended
            window = f"{rule.window_seconds:g}"
            text = texts.FAILED.format(failed=counts.failed, ended=ended, type=name, window=window)
            found[name] = Reading(share, text)
    return found


def _retry_storm(rule: Rule, signals: Signals) -> Readings | None:
    attempts = signals.attempts(rule.window_seconds)
    if attempts is None:
        return None
    found = {}
    for name, counts in attempts.items():
        per_minute = counts.retried * 60 / rule.window_seconds
        found[name] = Reading(per_minute, counted(texts.REPEATED, per_minute, type=name))
    return found


def _latency_p99(rule: Rule, signals: Signals) -> Readings | None:
    waits = signals.waits(rule.window_seconds)
    if waits is None:
        return None
    found = {}
    for name, histogram in waits.items():
        if histogram.count >= rule.least_count:
            seconds = histogram.percentile(99) or 0.0
            found[name] = Reading(seconds, texts.SLOW_START.format(type=name, seconds=f"{seconds:.1f}"))
    return found


def _agent_lost(rule: Rule, signals: Signals) -> Readings | None:
    lost = signals.agents_lost(rule.window_seconds)
    if lost is None:
        return None
    window = f"{rule.window_seconds:g}"
    return {name: Reading(float(n), counted(texts.LOST, n, agent=name, window=window)) for name, n in lost.items()}


def _agent_flapping(rule: Rule, signals: Signals) -> Readings | None:
    started = signals.agents_started(rule.window_seconds)
    if started is None:
        return None
    window = f"{rule.window_seconds:g}"
    return {
        name: Reading(float(n), counted(texts.STARTED, n, agent=name, window=window)) for name, n in started.items()
    }


def _name_shared(rule: Rule, signals: Signals) -> Readings | None:
    live = signals.live
    if live is None:
        return None
    hosts_by_name: dict[str, list[str]] = {}
    for agent in live.agents:
        hosts_by_name.setdefault(agent.name, []).append(agent.host)
    return {
        name: Reading(
            float(len(hosts) - 1),
            texts.SHARED.format(count=len(hosts), hosts=", ".join(dict.fromkeys(hosts)), agent=name),
        )
        for name, hosts in hosts_by_name.items()
        if len(hosts) > 1
    }


def _disk(rule: Rule, signals: Signals) -> Readings | None:
    hosts = signals.hosts()
    if hosts is None:
        return None
    return {
        f"{host} {path}": Reading(share, texts.DISK_FULL.format(path=path, host=host, share=f"{share:.0%}"))
        for host, usage in hosts.items()
        for path, share in usage.disks.items()
    }


def _memory(rule: Rule, signals: Signals) -> Readings | None:
    hosts = signals.hosts()
    if hosts is None:
        return None
    text = texts.MEMORY_USED
    return {host: Reading(u.memory, text.format(share=f"{u.memory:.0%}", host=host)) for host, u in hosts.items()}


def _absence(rule: Rule, signals: Signals) -> Readings | None:
    silent = signals.silent_types(rule.expected_hours)
    if silent is None:
        return None
    text = texts.ABSENT[rule.expected_hours != 1]
    return {
        name: Reading(seconds, text.format(type=name, seconds=f"{seconds:.0f}", hours=rule.expected_hours))
        for name, seconds in silent.items()
    }


def _quarantined(rule: Rule, signals: Signals) -> Readings | None:
    live = signals.live
    if live is None:
        return None
    return {"quarantine": Reading(float(live.quarantined), counted(texts.QUARANTINED, live.quarantined))}


def _mail_unread(rule: Rule, signals: Signals) -> Readings | None:
    live = signals.live
    if live is None or live.mail is None:
        return None
    text = texts.UNREAD
    return {
        box.agent: Reading(box.oldest_seconds, text.format(agent=box.agent, seconds=f"{box.oldest_seconds:.0f}"))
        for box in live.mail.boxes
    }


def _dead_letters(rule: Rule, signals: Signals) -> Readings | None:
    live = signals.live
    if live is None or live.mail is None:
        return None
    text = texts.DEAD_LETTERS
    return {
        box.agent: Reading(float(box.dead_letters), counted(text, box.dead_letters, agent=box.agent))
        for box in live.mail.boxes
    }


def _anomaly(rule: Rule, signals: Signals) -> Readings | None:
    anomalies = signals.anomalies()
    if anomalies is None:
        return None
    found: dict[str, Reading] = {}
    for a in anomalies:
        value, usual = f"{a.value:.3g}", f"{a.expected:.3g}"
        text = texts.UNUSUAL.format(measure=a.measure, type=a.type, value=value, unit=a.unit, usual=usual)
        found[f"{a.type} {a.measure}"] = Reading(abs(a.score), text)
    return found


_READERS: Mapping[str, Callable[[Rule, Signals], Readings | None]] = {
    "leader_missing": _leader_missing,
    "server_down": _server_down,
    **OF_THE_WORKER,
    "not_started": _not_started,
    "tick_blocked": _tick_blocked,
    "no_agent": _no_agent,
    "oldest_waiting": _oldest_waiting,
    "queue_growth": _queue_growth,
    "failure_rate": _failure_rate,
    "retry_storm": _retry_storm,
    "latency_p99": _latency_p99,
    "agent_lost": _agent_lost,
    "agent_flapping": _agent_flapping,
    "name_shared": _name_shared,
    "disk": _disk,
    "memory": _memory,
    "absence": _absence,
    "quarantined": _quarantined,
    "mail_unread": _mail_unread,
    "dead_letters": _dead_letters,
    "anomaly": _anomaly,
}
