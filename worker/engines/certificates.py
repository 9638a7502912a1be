"""Checks the certificate and the private key of a desk, and says in plain words what is wrong with them."""

from __future__ import annotations

import ssl
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

CERTIFICATE_MARK = b"-----BEGIN CERTIFICATE-----"
KEY_MARK = b"PRIVATE KEY-----"
ENCRYPTED_MARKS = (b"BEGIN ENCRYPTED PRIVATE KEY", b"Proc-Type: 4,ENCRYPTED")
MAX_FILE_BYTES = 1 << 20
SOON_DAYS = 14  # before a certificate expires it should be renewed
DAY_SECONDS = 86_400
MISMATCHES = ("KEY_VALUES_MISMATCH", "KEY_TYPE_MISMATCH")


def certificate_problems(certificate: str, private_key: str) -> list[str]:
    """Returns why files can't be used for TLS, each as "field: …"; none without any. No content is in the texts."""
    if not certificate:
        needless = "is not accepted: nothing uses it without a certificate"
        return [f"private_key: {private_key!r} {needless}"] if private_key else []
    try:
        held, key = _content(certificate), _content(private_key or certificate)
    except OSError as error:
        return [f"certificate: {certificate!r} or its key can't be read: {error}"]
    found = []
    if CERTIFICATE_MARK not in held:
        what = "it holds a private key" if KEY_MARK in held else "it holds none"
        found.append(f"certificate: {certificate!r} is not accepted: expected a certificate (PEM), {what}")
    if KEY_MARK not in key:
        if private_key:
            what = "it holds a certificate" if CERTIFICATE_MARK in key else "it holds none"
            found.append(f"private_key: {private_key!r} is not accepted: expected a private key (PEM), {what}")
        elif not found:
            found.append(f"private_key: missing: expected the key's file, as {certificate!r} holds no key")
    elif any(mark in key for mark in ENCRYPTED_MARKS):
        where = f"private_key: {private_key!r}" if private_key else f"certificate: {certificate!r}"
        found.append(f"{where} is not accepted: expected a key without a passphrase, it is encrypted")
    return found or _problems_of_pair(certificate, private_key)


def authority_problems(path: Path) -> list[str]:
    """Returns why the certificates of --ca-file can't be used; none if they can."""
    if not path.is_file():
        return [f"--ca-file {path}: expected a file that is there"]
    try:
        ssl.create_default_context(cafile=str(path))
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        said = error.reason if isinstance(error, ssl.SSLError) else error
        return [f"--ca-file {path}: expected certificates (PEM), none can be read: {said}"]
    return []


def server_context(certificate: str, private_key: str) -> ssl.SSLContext:
    """Returns the TLS context of a server. Raises OSError, of which ssl.SSLError is one, or ValueError."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, private_key or None, password=lambda: "")  # else OpenSSL would ask for it
    return context


@dataclass(frozen=True, slots=True)
class Expiry:
    """When a certificate ends, in epoch seconds."""

    at: float

    @classmethod
    def of(cls, certificate: str) -> Expiry | None:
        """Returns that of a certificate (PEM; the first one); None if it can't be read."""
        try:
            with tempfile.NamedTemporaryFile("w", suffix=".pem", encoding="utf-8") as file:
                file.write(certificate)
                file.flush()
                # the only reader of certificates in Python without a package; `ssl` has it for its own tests
                read = ssl._ssl._test_decode_cert(file.name)  # type: ignore[attr-defined]
            return cls(ssl.cert_time_to_seconds(read["notAfter"]))
        except (OSError, ValueError, KeyError):
            return None

    def problem(self) -> str:
        """Returns that it has expired, in one line; empty before."""
        return f"the certificate has expired at {self._shown}: hosts and seats refuse it" if self._days <= 0 else ""

    def remark(self) -> str:
        """Returns that it expires soon, in one line; empty before and after that."""
        return f"the certificate expires at {self._shown}: renew it" if 0 < self._days < SOON_DAYS else ""

    @property
    def _days(self) -> float:
        return (self.at - time.time()) / DAY_SECONDS

    @property
    def _shown(self) -> str:
        return f"{datetime.fromtimestamp(self.at, UTC):%Y-%m-%d %H:%M} UTC"


def _problems_of_pair(certificate: str, private_key: str) -> list[str]:
    try:
        server_context(certificate, private_key)
    except (OSError, ValueError) as error:
        if isinstance(error, ssl.SSLError) and error.reason in MISMATCHES:
            expected = f"expected the key of certificate {certificate!r}: they do not belong together"
            return [f"private_key: {(private_key or certificate)!r} is not accepted: {expected}"]
        return [f"certificate: {certificate!r} can't be used: {error}"]
    return []


def _content(path: str) -> bytes:
    with Path(path).open("rb") as file:
        return file.read(MAX_FILE_BYTES)
