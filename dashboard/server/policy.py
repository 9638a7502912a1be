"""Restricts what browsers may do with our pages, by the headers of every response.

The pages consist of this server's own files. Their one inline script is Streamlit's; its hash is computed from the
served page, so that another version of Streamlit brings its own.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import streamlit

INDEX = Path(streamlit.__file__).resolve().parent / "static" / "index.html"
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_INLINE_SCRIPT = re.compile(r"<script>(.*?)</script>", re.DOTALL)
Header = tuple[bytes, bytes]

DENIED_FEATURES = (
    "accelerometer", "autoplay", "camera", "display-capture", "encrypted-media", "geolocation", "gyroscope",
    "hid", "magnetometer", "microphone", "midi", "payment", "publickey-credentials-get", "screen-wake-lock", "serial",
    "usb", "xr-spatial-tracking",
)  # fmt: skip
FIXED = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", ", ".join(f"{name}=()" for name in DENIED_FEATURES).encode()),
)
# Files opened directly are no pages of ours: a report in HTML or a viewer's file runs nothing.
ALONE = b"default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'; sandbox"


def headers(origin: str, is_page: bool) -> Sequence[Header]:
    """Returns the headers of a page at `origin`; of a file that is shown by itself with `is_page` False."""
    return (*FIXED, (b"content-security-policy", _policy(origin) if is_page else ALONE))


@lru_cache(maxsize=64)
def _policy(origin: str) -> bytes:
    # browsers that don't accept 'self' for the websocket need it written out
    websocket = origin.replace("http", "ws", 1)
    return "; ".join(
        [
            "default-src 'none'",
            " ".join(["script-src 'self'", *(f"'sha256-{digest}'" for digest in _inline_scripts())]),
            "style-src 'self' 'unsafe-inline'",
            "img-src 'self' data:",
            "font-src 'self' data:",
            f"connect-src 'self' {websocket}",
            "manifest-src 'self'",
            "form-action 'self'",
            "base-uri 'self'",
            "frame-ancestors 'none'",
        ]
    ).encode()


@lru_cache
def _inline_scripts() -> tuple[str, ...]:
    """Returns the SHA-256 of each inline script of Streamlit's page, in base64."""
    page = _COMMENT.sub("", INDEX.read_text(encoding="utf-8"))
    scripts = _INLINE_SCRIPT.findall(page)
    return tuple(base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts)
