"""P20: the attempts of an agent with an engine, the seats that run them, and what may happen to each.

An agent launches a seat by a command, which the engine may start twice. A seat that was admitted gets the attempt once
its start was reported; it has a lease, which ends some time after it was heard last. The agent counts longer, so with
the rule it gives a silent seat up only afterwards. What runs in a seat is frozen with it (its node is). Two things are
left out, in which an attempt may run on beside the next one: the moment between the end of a connection and the end of
what the seat runs, and a seat that is cut off in silence when its agent dies, which ends with its lease.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

MAX_FAULTS, MAX_STARTS, MAX_ATTEMPTS = 2, 2, 2  # at a time, of one command, of the task
RULES = {
    "P20 once": "an attempt travels on a connection that is admitted once, and not with the command of its seat",
    "P20 place": "a start is reported once a seat is there",
    "P20 lease": "a seat that does not hear of its agent ends before its agent gives it up",
    "P20 end": "a seat whose connection has ended ends what it runs",
}


class Seat(NamedTuple):
    """One start of the command that was launched for an attempt."""

    attempt: int
    is_admitted: bool = False
    has_order: bool = False
    runs: bool = False
    is_mute: bool = False  # the network carries nothing, and nobody is told
    is_frozen: bool = False
    is_late: bool = False  # its lease has ended
    is_cut: bool = False  # its connection has ended


class World(NamedTuple):
    """`attempt` is the current one: "waiting" for a seat, "started", or "over", which ends the task.

    What is handed back counts as one of MAX_ATTEMPTS, too, only to bound the search.
    """

    attempt: int = 1
    state: str = "waiting"
    is_launched: bool = False
    starts: int = 0  # of the current attempt's command
    was_admitted: bool = False
    seats: tuple[Seat, ...] = ()  # that live
    executed: frozenset[int] = frozenset()
    faults: int = 0
    wrong: str = ""


Step = tuple[str, World]


def explore(off: str = "") -> tuple[str, tuple[str, ...], int]:
    """What breaks without the rule `off`, the shortest way there, and how many worlds were looked at."""
    traces: dict[World, tuple[str, ...]] = {World(): ()}
    worlds = [World()]
    for world in worlds:
        after = [] if world.wrong else list(_steps(world, off))
        wrong = world.wrong or ("" if after or world.state == "over" else "the task waits for ever")
        if wrong:
            return wrong, traces[world], len(worlds)
        for label, reached in [*after, *_faults(world, off)]:
            if reached not in traces:
                traces[reached] = (*traces[world], label)
                worlds.append(reached)
    return "", (), len(worlds)


def _steps(world: World, off: str) -> Iterator[Step]:
    n = world.attempt
    if world.state != "over":
        if not world.is_launched:
            yield f"the agent launches a seat for {n}", world._replace(is_launched=True)
        elif off == "P20 place" and world.state == "waiting":
            yield f"the agent reports {n} started", world._replace(state="started")
        if world.is_launched and world.starts < MAX_STARTS:
            runs = off == "P20 once"
            reached = world._replace(starts=world.starts + 1, seats=(*world.seats, Seat(n)))
            yield f"the engine starts it as seat {_name(world)}", _began(reached, len(reached.seats) - 1, runs)
        if world.is_launched and world.state == "waiting":
            yield f"the agent hands {n} back: no seat came", _given_up(world)
        has_one = any(seat.attempt == n and seat.is_admitted for seat in world.seats)
        if world.state == "started" and world.was_admitted and not has_one:
            yield f"the agent gives {n} up: its seat is gone", _given_up(world)
    for index, seat in enumerate(world.seats):
        yield from _seat_steps(world, index, seat, off)


def _seat_steps(world: World, index: int, seat: Seat, off: str) -> Iterator[Step]:
    name, n = f"seat {index + 1}", seat.attempt
    is_current = n == world.attempt and world.state != "over"
    hears = not (seat.is_mute or seat.is_frozen or seat.is_cut)
    if hears and not seat.is_admitted:
        if is_current and not world.was_admitted:
            admitted = _with(world, index, seat._replace(is_admitted=True))
            yield f"{name} is admitted", admitted._replace(was_admitted=True)
        elif off != "P20 once":
            yield f"{name} is refused", _without(world, index)
    if hears and seat.is_admitted and is_current and not seat.has_order and off != "P20 once":
        yield f"{name} gets {n}", _with(world._replace(state="started"), index, seat._replace(has_order=True))
    if seat.has_order and not seat.runs and not seat.is_frozen and n not in world.executed:
        yield f"{name} runs {n}", _began(world, index, True)
    if seat.runs and hears and is_current:
        yield f"{name} reports {n} done", _without(world, index)._replace(state="over")
    if seat.runs and not seat.is_frozen and not (hears and is_current):
        yield f"{name} ends {n}", _without(world, index)
    if seat.is_frozen:
        is_over = seat.is_late or (seat.is_cut and off != "P20 end")
        awake = _without(world, index) if is_over else _with(world, index, seat._replace(is_frozen=False))
        yield f"{name} goes on", awake
    if seat.is_admitted and (seat.is_mute or seat.is_frozen):
        if off != "P20 lease" and not seat.is_late:
            late = _with(world, index, seat._replace(is_late=True)) if seat.is_frozen else _without(world, index)
            yield f"the lease of {name} ends", late
        if is_current and (seat.is_late or off == "P20 lease"):
            yield f"the agent gives {n} up: {name} is silent", _given_up(world)


def _faults(world: World, off: str) -> Iterator[Step]:
    if world.faults == MAX_FAULTS or world.wrong or world.state == "over":
        return
    hurt = world._replace(faults=world.faults + 1)
    for index, seat in enumerate(world.seats):
        name = f"seat {index + 1}"
        yield f"{name} is killed", _without(hurt, index)
        if not seat.is_frozen:
            yield f"{name} freezes", _with(hurt, index, seat._replace(is_frozen=True))
        if not seat.is_mute:
            yield f"{name} is cut off in silence", _with(hurt, index, seat._replace(is_mute=True))
    kept = [seat for seat in world.seats if seat.is_frozen or seat.is_mute or off == "P20 end"]
    yield "the agent dies", _given_up(hurt._replace(seats=tuple(seat._replace(is_cut=True) for seat in kept)))


def _began(world: World, index: int, runs: bool) -> World:
    """The world after an attempt began in a seat, if it did."""
    if not runs:
        return world
    seat = world.seats[index]
    others = [other.attempt for other in world.seats if other.runs and not (other.is_frozen or _is_left_out(other))]
    if seat.attempt in world.executed:
        world = world._replace(wrong=f"attempt {seat.attempt} is executed twice")
    elif others and not _is_left_out(seat):
        world = world._replace(wrong=f"attempt {seat.attempt} runs beside attempt {others[0]}")
    elif seat.attempt < world.attempt and not _is_left_out(seat):
        world = world._replace(wrong=f"attempt {seat.attempt} runs after it was given up")
    is_current = seat.attempt == world.attempt
    ran = _with(world, index, seat._replace(runs=True))
    return ran._replace(state="started" if is_current else world.state, executed=world.executed | {seat.attempt})


def _is_left_out(seat: Seat) -> bool:
    return seat.is_cut and seat.is_mute


def _given_up(world: World) -> World:
    """The next attempt of the task, which waits for a seat of its own."""
    wrong = world.wrong
    if world.state == "started" and not world.was_admitted and world.attempt not in world.executed:
        wrong = f"attempt {world.attempt} is paid for, and had no seat"
    if world.attempt == MAX_ATTEMPTS:
        return world._replace(state="over", wrong=wrong)
    return world._replace(
        attempt=world.attempt + 1, state="waiting", is_launched=False, starts=0, was_admitted=False, wrong=wrong
    )


def _name(world: World) -> int:
    return len(world.seats) + 1


def _with(world: World, index: int, seat: Seat) -> World:
    return world._replace(seats=(*world.seats[:index], seat, *world.seats[index + 1 :]))


def _without(world: World, index: int) -> World:
    return world._replace(seats=(*world.seats[:index], *world.seats[index + 1 :]))
