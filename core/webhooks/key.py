"""Reads the key of a webhook from its secret, and makes new secrets."""

from __future__ import annotations

import base64
import binascii
import secrets

from taskyard.core.i18n import msg

KEY_PREFIX = "whsec_"
NEW_KEY_BYTES = 32
MIN_KEY_BYTES, MAX_KEY_BYTES = 24, 64  # Standard Webhooks, "Symmetric signatures"


def webhook_key(secret: str) -> bytes:
    """Returns the key in a secret: base64 after whsec_, or else the text itself, without white space around it.

    Raises ValueError, with a text that does not hold the secret, for a key that would sign nothing reliably.
    """
    text = secret.strip()
    if "," in text and KEY_PREFIX in text:
        raise ValueError(msg("expected nothing before {prefix}", prefix=KEY_PREFIX))
    if not text.startswith(KEY_PREFIX):
        if not text:
            raise ValueError(msg("expected more than spaces"))
        return text.encode()
    try:
        key = base64.b64decode(text.removeprefix(KEY_PREFIX), validate=True)
    except binascii.Error:
        raise ValueError(msg("expected base64 after {prefix}", prefix=KEY_PREFIX)) from None
    if not MIN_KEY_BYTES <= len(key) <= MAX_KEY_BYTES:
        raise ValueError(
            msg(
                "expected {least} to {most} bytes in base64 after {prefix}",
                least=MIN_KEY_BYTES,
                most=MAX_KEY_BYTES,
                prefix=KEY_PREFIX,
            )
        )
    return key


def new_secret() -> str:
    """Returns a new random secret: base64 after whsec_."""
    return KEY_PREFIX + base64.b64encode(secrets.token_bytes(NEW_KEY_BYTES)).decode()
