"""The process of a replay: reads what to replay from its input, and writes progress and result to its output."""

from __future__ import annotations

import os
import sys
from typing import BinaryIO

import msgspec

from taskyard.core.errors import TaskyardError
from taskyard.core.postgres.database import Database
from taskyard.core.views.replay_process import Answer, Order, packed
from taskyard.core.views.replays import ReplayedSpan, replayed

NICENESS = 10  # pages and workers of this machine go first
LEAST_STEP = 0.01  # of progress


class Answers:
    """Writes answers, and of progress only what can be seen."""

    def __init__(self, output: BinaryIO) -> None:
        self._output = output
        self._share = 0.0

    def say(self, answer: Answer) -> None:
        """Writes an answer as a line."""
        self._output.write(msgspec.json.encode(answer) + b"\n")
        self._output.flush()

    def say_progress(self, share: float) -> None:
        """Writes the share that is done, unless it has hardly grown."""
        if share >= self._share + LEAST_STEP:
            self._share = share
            self.say(Answer(share))


def main() -> None:
    """Replays what it is asked to."""
    answers = Answers(os.fdopen(os.dup(sys.stdout.fileno()), "wb"))
    sys.stdout = sys.stderr  # what anybody prints is no answer
    os.nice(NICENESS)
    order = msgspec.json.decode(sys.stdin.buffer.read(), type=Order)
    try:
        answers.say(Answer(1.0, _found(order, answers)))
    except TaskyardError as error:
        answers.say(Answer(problem=packed(error.text)))


def _found(order: Order, answers: Answers) -> ReplayedSpan:
    database, asked = Database(order.database_url), order.asked
    try:
        return replayed(
            database, asked.acting_of, asked.since, asked.until, asked.policy, asked.queue, answers.say_progress
        )
    finally:
        database.close()


if __name__ == "__main__":
    main()
