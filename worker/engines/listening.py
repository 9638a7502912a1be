"""Opens the port of a desk, and says in plain words why it can't be opened."""

from __future__ import annotations

import contextlib
import errno
import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from taskyard.worker.engines.engine import EngineProblem

BACKLOG = 512
EVERY_ADDRESS = ("0.0.0.0", "::")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a desk listens: an address family, an address and a port, 0 for any that is free."""

    family: int
    address: str
    port: int

    def overlaps(self, other: Place) -> bool:
        """Returns True if only one of both can listen."""
        if self.port != other.port or not self.port or self.family != other.family:
            return False
        return self.address == other.address or any(one.address in EVERY_ADDRESS for one in (self, other))


def listening(where: str) -> socket.socket:
    """Returns a socket that listens at HOST:PORT. Raises EngineProblem."""
    place = place_of(where)
    try:
        return socket.create_server((place.address, place.port), family=place.family, backlog=BACKLOG)
    except OSError as error:
        raise EngineProblem(f"engine.listen: {where!r} can't be used: {_words(error)}") from None


def listen_problem(where: str) -> str:
    """Returns why no agent of this host can listen at HOST:PORT, whoever does now; empty if one can."""
    try:
        place = place_of(where)
        with socket.socket(place.family, socket.SOCK_STREAM) as trial:
            trial.bind((place.address, 0))
    except EngineProblem as problem:
        return str(problem).removeprefix("engine.")
    except OSError as error:
        return f"listen: {where!r} is not accepted: {_words(error)}"
    return ""


def overlapping(listens: Sequence[tuple[str, str]]) -> Iterator[tuple[str, str, str, str]]:
    """Yields the pairs of (name, HOST:PORT) of which only one can listen, as name, listen, other's name and listen."""
    places = []
    for name, where in listens:
        with contextlib.suppress(EngineProblem):  # told by `listen_problem`
            places.append((name, where, place_of(where)))
    for at, (name, where, place) in enumerate(places):
        for other, its, others_place in places[:at]:
            if place.overlaps(others_place):
                yield name, where, other, its


def place_of(where: str) -> Place:
    """Returns where HOST:PORT is. Raises EngineProblem for a host that is not known here."""
    host, _, port = where.rpartition(":")
    try:
        found = socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    except (OSError, OverflowError) as error:
        expected = f"expected an address of this host, or a name that it knows: {error}"
        raise EngineProblem(f"engine.listen: {where!r} is not accepted: {expected}") from None
    return Place(found[0], str(found[4][0]), int(found[4][1]))


def _words(error: OSError) -> str:
    """Returns why an address can't be used, as users understand it."""
    if error.errno == errno.EADDRINUSE:
        return "another program, or another agent, listens there already"
    if error.errno in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
        return "expected an address of this host"
    return error.strerror or str(error)
