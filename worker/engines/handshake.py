"""Proves to a desk that a seat was launched by its agent, and to the seat that the desk is this agent's.

Each seat has a key of its own, made of its agent's secret and its id, so that one that leaks admits nobody else.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets

NONCE_BYTES = 32
KEY_VARIABLE = "TASKYARD_SEAT_KEY"
KEY_FILE_VARIABLE = "TASKYARD_SEAT_KEY_FILE"


def new_nonce() -> bytes:
    """Returns a number that is used once."""
    return secrets.token_bytes(NONCE_BYTES)


def key_of(secret: bytes, seat_id: str) -> str:
    """Returns the key of one seat, as text for its environment."""
    return hmac.new(secret, b"key" + seat_id.encode(), hashlib.sha256).hexdigest()


def proof_of(key: str, side: str, desk_nonce: bytes, seat_nonce: bytes, seat_id: str) -> bytes:
    """Returns the proof of one side ("seat" or "desk") for one connection."""
    said = b"|".join((side.encode(), desk_nonce, seat_nonce, seat_id.encode()))
    return hmac.new(key.encode(), said, hashlib.sha256).digest()


def is_proof(given: bytes, expected: bytes) -> bool:
    """Returns True if both are the same, in a time that tells nothing."""
    return hmac.compare_digest(given, expected)


def take_key() -> str:
    """Returns this seat's key and removes it from the environment, which its handlers inherit; empty without one.

    Raises OSError if it is in a file that can't be read.
    """
    key = os.environ.pop(KEY_VARIABLE, "")
    path = os.environ.pop(KEY_FILE_VARIABLE, "")
    if not key and path:
        with open(path, encoding="utf-8") as file:
            key = file.read().strip()
    return key
