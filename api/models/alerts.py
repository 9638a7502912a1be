"""Defines alerts, silences and rules as requests and answers have them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from taskyard.api.models.common import Reason
from taskyard.core.alerts.messages import message_of
from taskyard.core.alerts.rule_titles import rule_title
from taskyard.core.postgres.store.alerts import Silence
from taskyard.core.views.alerts import ShownAlert


class SilenceInfo(BaseModel):
    """Keeps notifications of matching alerts back until a time; the alerts are recorded all the same."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    rule: str = Field(description="A pattern of rules", examples=["backlog-*"])
    title: str = Field(description="What pages call a shipped rule of this name; else the same")
    subject: str = Field(description="A pattern of subjects", examples=["*"])
    until: datetime
    actor: str
    reason: str
    since: datetime

    @classmethod
    def of(cls, silence: Silence, say: Callable[[str], str]) -> SilenceInfo:
        """Returns a silence as answers have it, with its title as `say` translates it."""
        return cls(**asdict(silence), title=say(rule_title(silence.rule)))


class NewSilence(Reason):
    """A silence to begin."""

    rule: str = Field(description="The name of a rule, or a pattern that matches one", examples=["backlog-*"])
    subject: str = Field("*", description="A pattern of subjects; * is all", examples=["default"])
    seconds: float | None = Field(
        None, description="For how long: more than 0, at most a year; null is an hour", examples=[3600]
    )
    confirm: str = Field(
        "",
        description="The word everything, without which no silence of every subject of every rule is made; such a one"
        " needs its `seconds`, too",
    )


class GivenGroup(Reason):
    """The firing alerts of one rule."""

    rule: str = Field(description="The name of the rule, or its title", examples=["agent lost"])


class Acknowledged(BaseModel):
    """What became of a group of alerts."""

    acknowledged: int = Field(description="How many were firing, and are acknowledged now")


class AlertInfo(BaseModel):
    """A condition that needs attention: a rule that fires, or fired, for a subject."""

    id: str
    rule: str = Field(examples=["queue-backlog"])
    title: str = Field(description="What pages call a shipped rule of this name; else the same")
    kind: str | None = Field(description="The kind of the rule, for its runbook; null if the rule is not known here")
    subject: str = Field(description="What it is about: a type, queue, agent, host or server", examples=["default"])
    severity: str = Field(description="info, warning or critical", examples=["warning"])
    state: str = Field(description="firing, acknowledged or resolved", examples=["firing"])
    message: str = Field(description="In the language of `Accept-Language`")
    message_id: str | None = Field(description="Which of the kind's messages it is; null if it is not known")
    message_parameters: dict[str, Any] | None
    value: float | None
    threshold: float | None
    fired_at: datetime
    acknowledged_at: datetime | None
    acknowledged_by: str | None
    resolved_at: datetime | None
    silence: SilenceInfo | None = Field(description="The silence that keeps its notifications back")

    @classmethod
    def of(cls, shown: ShownAlert, say: Callable[[str], str]) -> AlertInfo:
        """Returns an alert as answers have it, with its message as `say` translates it."""
        own = ("title", "kind", "message", "silence")
        same = {name: getattr(shown.alert, name) for name in cls.model_fields if name not in own}
        silence = None if shown.silence is None else SilenceInfo.of(shown.silence, say)
        title, message = say(rule_title(shown.alert.rule)), say(message_of(shown.alert))
        return cls(**same, title=title, kind=shown.kind, message=message, silence=silence)


class Alerts(BaseModel):
    """Alerts, the unresolved ones by severity and then the oldest first, resolved ones newest first."""

    is_judged: bool = Field(description="Whether a worker evaluates the rules now")
    alerts: list[AlertInfo]


class RuleInfo(BaseModel):
    """An alert rule as the worker reads it."""

    model_config = ConfigDict(from_attributes=True)

    name: str = Field(examples=["queue-backlog"])
    kind: str
    severity: str
    measures: str
    threshold: float | None = Field(description="Null for a kind that is yes or no")
    clear: float | None
    for_seconds: float
    window_seconds: float | None
    subjects: list[str]
    channels: list[str] | None = Field(description="Null: all channels")


class ChannelInfo(BaseModel):
    """A notification channel without its secrets."""

    model_config = ConfigDict(from_attributes=True)

    name: str
    kind: str = Field(description="log, webhook or email")
    target: str = Field(description="Of a URL only the host")


class RulesInfo(BaseModel):
    """The alert rules, or the problems of their file."""

    model_config = ConfigDict(from_attributes=True)

    source: str = Field(description="The file, or that the shipped rules are in force")
    is_shipped: bool
    rules: list[RuleInfo]
    channels: list[ChannelInfo]
    every_seconds: float = Field(description="How often they are evaluated")
    problems: list[str] = Field(description="Why the file is not accepted; there are no rules then")
