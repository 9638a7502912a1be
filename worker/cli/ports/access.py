"""Says what the commands on people, services, agents, tokens and sessions need of an installation; see `port`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol


class AccessPort(Protocol):
    """The operations on access; records are as JSON has them. All may raise Unavailable and NotPermitted.

    Those that take a name raise SubmissionError if nobody has it.
    """

    def create(self, name: str, role: str, kind: str, queues: Sequence[str], types: Sequence[str]) -> dict[str, Any]:
        """Creates a person, service or agent and returns it; raises SubmissionError."""

    def principals(self) -> list[dict[str, Any]]:
        """Returns people, services and agents by name."""

    def change_role(
        self, name: str, role: str | None, queues: Sequence[str] | None, types: Sequence[str] | None
    ) -> tuple[dict[str, Any], bool]:
        """Changes what is not None; returns the principal, and False if it was like that."""

    def switch(self, name: str, *, is_disabled: bool) -> bool:
        """Disables or enables; returns False if it was like that."""

    def tokens(self, name: str | None) -> list[dict[str, Any]]:
        """Returns tokens, of one principal or all, newest first."""

    def revoke(self, id: str) -> bool:
        """Revokes a token or ends a session; returns False if there is none."""

    def sessions(self) -> list[dict[str, Any]]:
        """Returns the browsers that are signed in, newest first."""

    def end_sessions(self, name: str) -> int:
        """Ends all sessions of a principal; returns how many there were."""
