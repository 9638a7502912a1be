"""The tables of alert rules, made from the kinds and the shipped rules."""

from __future__ import annotations

from collections.abc import Iterator

from taskyard.core.alerts.kinds import KINDS
from taskyard.core.alerts.rules import load_rules


def alert_rules() -> Iterator[str]:
    """Every kind of rule with the shipped rule of it."""
    shipped_by_kind = {rule.kind: rule for rule in load_rules(None, None).rules}
    yield "| kind | measures | shipped rule | severity | fires at | clears below | for |"
    yield "|---|---|---|---|---|---|---|"
    for name, kind in KINDS.items():
        rule = shipped_by_kind.get(name)
        facts = ["", "", "", "", ""]
        if rule is not None:
            limits = [f"{rule.threshold:g}", f"{rule.clear:g}"] if kind.has_threshold else ["", ""]
            facts = [rule.name, rule.severity, *limits, f"{rule.for_seconds:g} s" if rule.for_seconds else ""]
        yield f"| [`{name}`](../operations/alerts/{name}.md) | {kind.measures} | {' | '.join(facts)} |"


def alert_facts(kind: str) -> Iterator[str]:
    """The shipped rules of a kind, as its runbook page shows them."""
    known = KINDS[kind]
    for rule in load_rules(None, None).rules:
        if rule.kind != kind:
            continue
        fires, clears = "while it is true", "when it is no longer true"
        if known.has_threshold:
            fires, clears = f"{rule.threshold:g} or more", f"below {rule.clear:g}"
        if rule.for_seconds:
            fires += f", for {rule.for_seconds:g} s"
        yield f"| Rule | `{rule.name}` |"
        yield "|---|---|"
        yield f"| Kind | `{kind}` |"
        yield f"| Severity | {rule.severity} |"
        yield f"| Measures | {known.measures} |"
        if known.window_seconds is not None:
            yield f"| Window | the last {rule.window_seconds:g} s |"
        if known.least_count is not None:
            yield f"| Judged from | {rule.least_count} attempts in the window |"
        if known.expected_hours is not None:
            yield f"| Expected | a submission in each of the last {rule.expected_hours} hours |"
        yield f"| Fires | {fires} |"
        yield f"| Resolves | {clears} |"
