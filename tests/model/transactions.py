"""P6, P17 and P19: two transactions that meet, statement by statement, at READ COMMITTED with row locks.

A statement sees what is committed when it begins and what its own transaction did. It waits for
rows that another transaction has locked; all locks go at the commit. What is repeated for ever is a transaction that
comes last.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

Facts = frozenset[str]


@dataclass(frozen=True)
class Statement:
    """A step of a transaction: which row it locks ("" for none), and what it makes of what it sees."""

    label: str
    row: str
    effect: Callable[[Facts], Facts] = lambda seen: seen


@dataclass(frozen=True)
class Transaction:
    """Where a transaction stands: the next statement, its locks, its own facts (None: not begun or over)."""

    name: str
    statements: tuple[Statement, ...]
    next: int = 0
    locks: frozenset[str] = frozenset()
    added: Facts = frozenset()
    removed: Facts = frozenset()
    is_last: bool = False  # it begins when all others are over

    @property
    def is_over(self) -> bool:
        return self.next > len(self.statements)


@dataclass(frozen=True)
class World:
    """What is committed, and the transactions."""

    committed: Facts
    transactions: tuple[Transaction, ...]


def search(first: World, wrong: Callable[[World], str]) -> tuple[str, tuple[str, ...]]:
    """The first end that `wrong` names, or a deadlock, with the shortest way to it; ("", ()) if there is none."""
    traces: dict[World, tuple[str, ...]] = {first: ()}
    worlds = [first]
    for world in worlds:
        after = list(_steps(world))
        if not after:
            is_over = all(transaction.is_over for transaction in world.transactions)
            problem = wrong(world) if is_over else "two writers wait for each other"
            if problem:
                return problem, traces[world]
        for label, reached in after:
            if reached not in traces:
                traces[reached] = (*traces[world], label)
                worlds.append(reached)
    return "", ()


def _steps(world: World) -> Iterator[tuple[str, World]]:
    for index, transaction in enumerate(world.transactions):
        others = [other for number, other in enumerate(world.transactions) if number != index]
        if transaction.is_over or (transaction.is_last and not all(other.is_over for other in others)):
            continue
        if transaction.next == len(transaction.statements):
            committed = (world.committed - transaction.removed) | transaction.added
            over = Transaction(
                transaction.name, transaction.statements, transaction.next + 1, is_last=transaction.is_last
            )
            yield f"{transaction.name}: commits", _with(replace(world, committed=committed), index, over)
            continue
        statement = transaction.statements[transaction.next]
        if statement.row and any(statement.row in other.locks for other in others if not other.is_over):
            continue
        seen = (world.committed - transaction.removed) | transaction.added
        after = statement.effect(seen)
        moved = replace(
            transaction,
            next=transaction.next + 1,
            locks=transaction.locks | ({statement.row} - {""}),
            added=transaction.added | (after - seen),
            removed=transaction.removed | (seen - after),
        )
        yield f"{transaction.name}: {statement.label}", _with(world, index, moved)


def _with(world: World, index: int, transaction: Transaction) -> World:
    changed = tuple(transaction if number == index else one for number, one in enumerate(world.transactions))
    return replace(world, transactions=changed)


def two_writers(*, in_order: bool) -> tuple[str, tuple[str, ...]]:
    """Two transactions change the same two rows, in the order of their ids or each in its own."""
    one, two = Statement("locks row 1", "1"), Statement("locks row 2", "2")
    second = (one, two) if in_order else (two, one)
    world = World(frozenset(), (Transaction("tick", (one, two)), Transaction("operator", second)))
    return search(world, lambda end: "")


def parent_and_child(*, looks_again: bool, is_cut_off: bool = False) -> tuple[str, tuple[str, ...]]:
    """A task is inserted that waits for another one, while that one completes.

    The parent is only read: nobody waits for an insert that stays open. With `is_cut_off` the leader dies between the
    commit of the parent's end and the slice in which the child would be released.
    """

    def insert(seen: Facts) -> Facts:
        return seen | ({"child pending"} if "read completed" in seen else {"child blocked"})

    def read(seen: Facts) -> Facts:
        return seen | {"read completed"} if "parent completed" in seen else seen

    def unblock(seen: Facts) -> Facts:
        return seen - {"child blocked"} | {"child pending"} if "child blocked" in seen else seen

    def release(seen: Facts) -> Facts:
        return unblock(seen) if "parent completed" in seen else seen

    inserter = (Statement("reads the parent", "", read), Statement("inserts the child", "", insert))
    ending = Statement("completes the parent", "parent", lambda seen: seen | {"parent completed"})
    tick = (ending,) if is_cut_off else (ending, Statement("unblocks its children", "", unblock))
    transactions = [Transaction("submitter", inserter), Transaction("tick", tick)]
    if looks_again:
        sweep = (Statement("releases what waits for a task that has ended", "", release),)
        transactions.append(Transaction("sweep", sweep, is_last=True))
    world = World(frozenset(), tuple(transactions))
    return search(world, lambda end: "the child stays blocked for ever" if "child blocked" in end.committed else "")


def child_claimed_as_it_is_freed(*, locks_child: bool) -> tuple[str, tuple[str, ...]]:
    """A tick frees a child and claims it at once, while an operator cancels that."""

    def read(seen: Facts) -> Facts:
        return seen if "cancelled" in seen else seen | {"read blocked"}

    def claim(seen: Facts) -> Facts:
        return seen | {"claimed"} if "read blocked" in seen else seen

    def cancel(seen: Facts) -> Facts:
        return seen | ({"agent told"} if "claimed" in seen else set()) | {"cancelled"}

    tick = (
        Statement("reads the child", "child" if locks_child else "", read),
        Statement("frees and claims it", "child", claim),
    )
    operator = (Statement("cancels the child", "child", cancel),)
    world = World(frozenset(), (Transaction("tick", tick), Transaction("operator", operator)))

    def wrong(end: World) -> str:
        is_missed = {"claimed", "cancelled"} <= end.committed and "agent told" not in end.committed
        return "a cancelled child is claimed" if is_missed else ""

    return search(world, wrong)


def child_of_a_cancelled_task(*, locks_parent: bool) -> tuple[str, tuple[str, ...]]:
    """A running task submits a child while it is cancelled, and then what it submitted is looked for."""

    def read(seen: Facts) -> Facts:
        return seen if "cancelled" in seen else seen | {"read running"}

    def insert(seen: Facts) -> Facts:
        return seen | {"child"} if "read running" in seen else seen

    def look(seen: Facts) -> Facts:
        return seen | {"child seen"} if "child" in seen else seen

    tick = (Statement("reads the parent", "parent" if locks_parent else "", read), Statement("inserts", "", insert))
    cancel = (
        Statement("cancels the parent", "parent", lambda seen: seen | {"cancelled"}),
        Statement("looks", "", look),
    )
    world = World(frozenset(), (Transaction("tick", tick), Transaction("operator", cancel)))

    def wrong(end: World) -> str:
        is_missed = {"child", "cancelled"} <= end.committed and "child seen" not in end.committed
        return "a child that its parent's cancellation did not see" if is_missed else ""

    return search(world, wrong)


def signal_and_suspension(*, locks_task: bool) -> tuple[str, tuple[str, ...]]:
    """A signal is sent while the task that waits for it is being suspended: each looks for what the other does."""

    def look_for_signal(seen: Facts) -> Facts:
        return seen if "signal" in seen else seen | {"stays suspended"}

    def store(seen: Facts) -> Facts:
        return seen | {"signal"} | ({"wakes it"} if "suspended" in seen else set())

    tick = (
        Statement("suspends the task", "task", lambda seen: seen | {"suspended"}),
        Statement("looks for a signal", "", look_for_signal),
    )
    locks = (Statement("locks the task", "task"),) if locks_task else ()
    send = (*locks, Statement("stores the signal, and wakes the task if it is suspended", "", store))
    world = World(frozenset(), (Transaction("tick", tick), Transaction("sender", send)))

    def wrong(end: World) -> str:
        is_left = "stays suspended" in end.committed and "wakes it" not in end.committed
        return "the task stays suspended for ever" if is_left else ""

    return search(world, wrong)
