"""Manages hooks, as far as an actor may.

A hook lets in whoever has its secret, so it needs what other credentials need; and its maker must be permitted to
submit what it submits. Everything raises NotPermitted in addition to the store's errors.
"""

from __future__ import annotations

from collections.abc import Sequence

from taskyard.core.access.identity import EVERY, Actor
from taskyard.core.access.permissions import Permission
from taskyard.core.postgres.database import Transaction
from taskyard.core.postgres.store import hooks
from taskyard.core.states import Priority
from taskyard.core.submission.authorized import Authorized
from taskyard.core.submission.validate import DEFAULT_QUEUE, check_label
from taskyard.core.webhooks.hook import Hook, HookFields, check_fields


def list_hooks(tx: Transaction, actor: Actor) -> list[Hook]:
    """See core.postgres.store.hooks."""
    _check(actor)
    return hooks.hooks(tx)


def find(tx: Transaction, actor: Actor, name: str) -> Hook | None:
    """See core.postgres.store.hooks."""
    _check(actor)
    return hooks.find(tx, name)


def create(
    tx: Transaction,
    acting: Authorized,
    name: str,
    *,
    scheme: str,
    type: str,
    template: object,
    queue: str = DEFAULT_QUEUE,
    priority: str = Priority.MEDIUM.label,
    events: Sequence[str] = (EVERY,),
    secret: str | None = None,
) -> str:
    """Adds a hook and returns its secret; raises SubmissionError, UnknownTaskType for a type that nobody has."""
    _check(acting.actor)
    fields = check_fields(scheme=scheme, type=type, queue=queue, priority=priority, template=template, events=events)
    _check_task(acting, fields)
    return hooks.create(
        tx, name, fields, acting.actor.name, may_run_code=acting.actor.may(Permission.CODE_SUBMIT), secret=secret
    )


def change(
    tx: Transaction,
    acting: Authorized,
    name: str,
    *,
    type: str | None = None,
    template: object | None = None,
    queue: str | None = None,
    priority: str | None = None,
    events: Sequence[str] | None = None,
) -> bool:
    """Changes what is given of a hook, and leaves the rest; returns False if it was like that."""
    _check(acting.actor)
    known = hooks.get(tx, name)
    fields = check_fields(
        scheme=known.scheme,
        type=known.type if type is None else type,
        queue=known.queue if queue is None else queue,
        priority=known.priority if priority is None else priority,
        template=known.template if template is None else template,
        events=known.events if events is None else events,
    )
    _check_task(acting, fields)
    may_run_code = acting.actor.may(Permission.CODE_SUBMIT)
    return hooks.change(tx, name, fields, acting.actor.name, may_run_code=may_run_code)


def delete(tx: Transaction, actor: Actor, name: str) -> bool:
    """See core.postgres.store.hooks."""
    _check(actor)
    return hooks.delete(tx, name, actor.name)


def switch(tx: Transaction, actor: Actor, name: str, *, is_disabled: bool) -> bool:
    """See core.postgres.store.hooks."""
    _check(actor)
    return hooks.switch(tx, name, actor.name, is_disabled=is_disabled)


def rotate_secret(tx: Transaction, actor: Actor, name: str, secret: str | None = None) -> str:
    """See core.postgres.store.hooks."""
    _check(actor)
    return hooks.rotate_secret(tx, name, actor.name, secret)


def _check(actor: Actor) -> None:
    actor.require(Permission.ACCESS_MANAGE, queue=EVERY, type_=EVERY)


def _check_task(acting: Authorized, fields: HookFields) -> None:
    """Checks that the maker may submit these tasks; raises SubmissionError and NotPermitted."""
    check_label("queue", fields.queue)
    acting.require_known(fields.type)
    acting.signed(fields.type, {"queue": fields.queue})
