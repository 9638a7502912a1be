"""P6: two transactions that meet, statement by statement, at READ COMMITTED with row locks.

A statement sees what is committed when it begins and what its own transaction did. It waits for
rows that another transaction has locked; all locks go at the commit.
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

    @property
    def is_over(self) -> bool:
        return self.next > len(self.statements)


@dataclass(frozen=True)
class World:
    """What is committed, and the two transactions."""

    committed: Facts
    transactions: tuple[Transaction, Transaction]


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
        other = world.transactions[1 - index]
        if transaction.is_over:
            continue
        if transaction.next == len(transaction.statements):
            committed = (world.committed - transaction.removed) | transaction.added
            over = Transaction(transaction.name, transaction.statements, transaction.next + 1)
            yield f"{transaction.name}: commits", _with(replace(world, committed=committed), index, over)
            continue
        statement = transaction.statements[transaction.next]
        if statement.row and statement.row in other.locks:
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
    pair = (transaction, world.transactions[1]) if index == 0 else (world.transactions[0], transaction)
    return replace(world, transactions=pair)


def two_writers(*, in_order: bool) -> tuple[str, tuple[str, ...]]:
    """Two transactions change the same two rows, in the order of their ids or each in its own."""
    one, two = Statement("locks row 1", "1"), Statement("locks row 2", "2")
    second = (one, two) if in_order else (two, one)
    world = World(frozenset(), (Transaction("tick", (one, two)), Transaction("operator", second)))
    return search(world, lambda end: "")


def parent_and_child(*, locks_parent: bool) -> tuple[str, tuple[str, ...]]:
    """A task is inserted that waits for another one, while that one completes."""

    def insert(seen: Facts) -> Facts:
        return seen | ({"child pending"} if "read completed" in seen else {"child blocked"})

    def read(seen: Facts) -> Facts:
        return seen | {"read completed"} if "parent completed" in seen else seen

    def unblock(seen: Facts) -> Facts:
        return seen - {"child blocked"} | {"child pending"} if "child blocked" in seen else seen

    inserter = (
        Statement("reads the parent", "parent" if locks_parent else "", read),
        Statement("inserts the child", "", insert),
    )
    tick = (
        Statement("completes the parent", "parent", lambda seen: seen | {"parent completed"}),
        Statement("unblocks its children", "", unblock),
    )
    world = World(frozenset(), (Transaction("submitter", inserter), Transaction("tick", tick)))
    return search(world, lambda end: "the child stays blocked for ever" if "child blocked" in end.committed else "")
