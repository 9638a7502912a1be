"""Keeps what is published where the leader itself can read it: what it submits waits for no server."""

from __future__ import annotations

from collections.abc import Sequence

from taskyard.core.redis.predictions import Published


class PublishedHere:
    """The leader's own copy of what Redis has. Written by the learner's thread, read by others."""

    def __init__(self) -> None:
        self.state: bytes | None = None
        self.texts: dict[str, str] = {}

    def read(self, keys: Sequence[str]) -> Published:
        """Returns the state and the predictions of these keys."""
        return Published(self.state, [text.encode() if (text := self.texts.get(key)) else None for key in keys])
