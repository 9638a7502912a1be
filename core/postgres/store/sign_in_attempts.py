"""Slows guessing of passwords down, for all processes: by account, and by address.

An attempt counts as failed before the password is checked, and is taken back if it was right: so many attempts at
once are no more than as many one after another.
"""

from __future__ import annotations

from taskyard.core.access.identity import hashed
from taskyard.core.access.throttle import ACCOUNT, ADDRESS, FORGET_SECONDS
from taskyard.core.postgres.arrays import quoted
from taskyard.core.postgres.database import Transaction, queries


def begin(tx: Transaction, name: str, address: str) -> float:
    """Counts an attempt; returns 0, or for how many seconds it has to wait. One that has to wait does not count."""
    account, place = _account(name), _place(address)
    tx.rows(queries("sign_in_attempts")["forget"], {"forget_seconds": FORGET_SECONDS})
    subjects = {"subjects": quoted([account, place])}
    tx.rows(queries("sign_in_attempts")["add"], subjects)
    known = {
        subject: (count, wait) for subject, count, wait in tx.rows(queries("sign_in_attempts")["locked"], subjects)
    }
    wait_seconds = float(max(wait for _count, wait in known.values()))
    if wait_seconds > 0:
        return wait_seconds
    for subject, limits in ((account, ACCOUNT), (place, ADDRESS)):
        failures = int(known[subject][0]) + 1
        charged = {"subject": subject, "failures": failures, "seconds": limits.delay_seconds(failures)}
        tx.rows(queries("sign_in_attempts")["charge"], charged)
    return 0.0


def succeed(tx: Transaction, name: str, address: str) -> None:
    """Takes an attempt back, and the account's failures with it."""
    tx.rows(queries("sign_in_attempts")["forgive"], {"account": _account(name), "address": _place(address)})


def _account(name: str) -> str:
    # people also type their password here, so it is not kept
    return f"account {hashed(name)}"


def _place(address: str) -> str:
    return f"address {address}"
