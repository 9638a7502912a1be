"""Defines what an agent needs of an engine: five calls, made from one thread."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable


class EngineProblem(Exception):
    """Raised by an engine that can't do what it is asked; its text is one line for operators."""


@dataclass(frozen=True, slots=True)
class SeatCommand:
    """What an engine keeps running: arguments for the node's Python, and variables of its environment.

    The variables hold the seat's key: they must not become arguments, nor be logged.
    """

    arguments: tuple[str, ...]
    variables: dict[str, str]


class Engine(Protocol):
    """Brings seats to nodes. All calls come from the agent's thread `seats`, one after the other.

    Every call may raise: that is logged, told to operators in the engine's own words, and tried again.
    """

    def launch(self, seat_id: str, command: SeatCommand) -> None:
        """Asks for one run of a command on some node; returns at once. It may begin much later, or twice."""

    def cancel(self, seat_id: str) -> None:
        """Gives a seat up, whether it waits, runs, is over or is not known; called once for each one launched."""

    def problem(self, seat_id: str) -> str:
        """Returns why a seat has ended, or can't come any more; empty while it waits or runs."""

    def why(self, seat_id: str) -> str:
        """Returns in the engine's own words why a seat is not running yet; empty if it says nothing."""

    def close(self) -> None:
        """Ends whatever was launched, and frees what the engine's client holds."""


@runtime_checkable
class RemoteEngine(Protocol):
    """An engine that has to be reached before it is asked for anything."""

    def reach(self) -> None:
        """Connects to it; called again, after a pause, until it returns. It may take minutes."""

    def is_lost(self) -> bool:
        """Returns True if its client has given up for good: it has to be reached anew, and knows no seat any more."""


@runtime_checkable
class LosableEngine(Protocol):
    """An engine whose client may give up for good."""

    def is_lost(self) -> bool:
        """Returns True once it has."""


@runtime_checkable
class DialledEngine(Protocol):
    """An engine whose seats come unasked, from hosts of known sites."""

    def secret_of_site(self, site: str) -> bytes | None:
        """Returns what the keys of a site's seats are made of; None if it is not known. From any thread."""
