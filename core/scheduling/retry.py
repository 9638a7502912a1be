"""Decides whether and when a failed attempt is retried, and which failures are alike (pure)."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from itertools import groupby

from taskyard.core.errors import ErrorClass
from taskyard.core.task_types.retry_policy import RetryPolicy

MAX_REFUNDS = 10
_MAX_MESSAGE_LENGTH = 20_000  # characters of a message that are examined
_FRAMES = 5  # innermost functions of a traceback that are examined


@dataclass(frozen=True, slots=True)
class Decision:
    """The decision on a task whose attempt failed.

    `refund` gives the attempt back, so that it does not count against the task's budget.
    """

    retry: bool
    delay_seconds: float
    refund: bool
    reason: str


def backoff_seconds(policy: RetryPolicy, failures: int, draw: float) -> float:
    """Returns the seconds to wait after the task's `failures`-th failure (from 1); `draw` is random in [0, 1).

    Exponential backoff with full jitter: a uniform draw from 0 to the capped exponential. It spreads tasks that
    failed together better than a jitter around the exponential (AWS Architecture Blog, "Exponential Backoff And
    Jitter", 2015).
    """
    doubled = policy.backoff_seconds * 2.0 ** min(max(failures, 1) - 1, 1000)
    return draw * min(policy.max_backoff_seconds, doubled)


def decide(
    policy: RetryPolicy,
    error_class: ErrorClass,
    attempt: int,
    refunded: int,
    max_attempts: int,
    draw: float,
    *,
    refunds: int = 0,
    may_refund: bool = False,
) -> Decision:
    """Decides whether a task whose attempt number `attempt` failed gets another one.

    `refunded` of its attempts were given back, so `attempt - refunded` of `max_attempts` are used. With `may_refund`,
    an attempt that was lost with its agent is given back at once, but only MAX_REFUNDS times since an operator's last
    retry (`refunds` so far): a task that keeps losing agents is charged like any other.
    """
    if error_class is ErrorClass.AGENT_LOST and may_refund and refunds < MAX_REFUNDS:
        return Decision(True, 0.0, True, "the attempt does not count")
    used = attempt - refunded
    if error_class not in policy.retry_on:
        return Decision(False, 0.0, False, f"{error_class} is not worth another attempt")
    if used >= max_attempts:
        return Decision(False, 0.0, False, f"{error_class} on the last of {max_attempts} attempts")
    return Decision(
        True, backoff_seconds(policy, used, draw), False, f"{error_class} on attempt {used} of {max_attempts}"
    )


# Parts that differ between two occurrences of one failure. Quoted text comes first, since it may contain the others.
_VARIABLE = re.compile(
    r"""
      (?P<text>  (?<!\w) (?: '[^'\n]*' | "[^"\n]*" ) (?!\w) )
    | (?P<path>  (?: /private )? /(?: tmp | var/tmp | var/folders | dev/shm ) (?: /[^\s:;,'")\]]* )? (?!\w)
               | \b tmp [a-z0-9_]{8} \b )
    | (?P<number>
          \d{4}-\d\d-\d\d [T ] \d\d:\d\d (?: :\d\d (?: [.,]\d+ )? )? (?: Z | [+-]\d\d:?\d\d )?   # a time
        | (?<![0-9A-Za-z]) [0-9a-fA-F]{8} (?: -[0-9a-fA-F]{4} ){3} -[0-9a-fA-F]{12} (?![0-9A-Za-z])  # a UUID
        | \b 0x [0-9a-fA-F]+ \b                                                                   # an address
        | (?<![0-9A-Za-z]) (?= [0-9]*[a-fA-F] ) [0-9a-fA-F]{8,} (?![0-9A-Za-z])                   # a hex id
        | [+-]? \d (?: [\d.,_:]* \d )? (?: [eE] [+-]? \d+ )?
      )
    """,
    re.VERBOSE,
)
_FRAME = re.compile(r'^\s*File "[^"\n]*", line \d+, in (.+)$', re.MULTILINE)


def fingerprint(task_type: str, error_class: str, message: str, traceback: str) -> str:
    """Returns 16 hex digits, equal for failures that probably have the same cause.

    Numbers, times, ids, addresses, quoted texts and temporary paths in the message are ignored. Only the names of the
    traceback's innermost functions count, a recursion once: line numbers change with every release.
    """
    words = _VARIABLE.sub(lambda match: f"<{match.lastgroup}>", message[:_MAX_MESSAGE_LENGTH])
    functions = [name for name, _repeats in groupby(_FRAME.findall(traceback))][-_FRAMES:]
    content = "\x1f".join([task_type, error_class, " ".join(words.split()), *functions])
    return hashlib.blake2b(content.encode("utf-8", "backslashreplace"), digest_size=8).hexdigest()
