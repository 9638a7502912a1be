"""Certificates for tests: an authority of their own, and a server's for this machine, by the program `openssl`."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from tests.client.apis import Certificate

_OPENSSL_CURVE = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


def make_certificate(folder: Path, *, days: int = 60) -> Certificate:
    """A server's certificate for 127.0.0.1, signed by a new authority; with -1 days it has expired."""
    made = Certificate(folder / "server.key", folder / "server.pem", folder / "authority.pem")
    (folder / "extensions").write_text("subjectAltName=IP:127.0.0.1\nbasicConstraints=CA:FALSE\n")
    ca = ("-x509", "-days", "90", "-subj", "/CN=tests", "-addext", "keyUsage=critical,keyCertSign,cRLSign")
    _openssl("req", *_OPENSSL_CURVE, "-keyout", _authority_key(made), "-out", made.authority, *ca)
    renew(made, days=days)
    return made


def renew(made: Certificate, *, days: int = 60) -> None:
    """Puts a new key and a new certificate of the same authority in the place of these."""
    folder = made.file.parent
    key, request, certificate = folder / "new.key", folder / "new.csr", folder / "new.pem"
    _openssl("req", *_OPENSSL_CURVE, "-keyout", key, "-out", request, "-subj", "/CN=127.0.0.1")
    signing = ("-CA", made.authority, "-CAkey", _authority_key(made), "-CAcreateserial", "-days", days)
    _openssl("x509", "-req", "-in", request, "-out", certificate, *signing, "-extfile", folder / "extensions")
    os.replace(key, made.key)
    os.replace(certificate, made.file)


def _authority_key(made: Certificate) -> Path:
    return made.authority.with_suffix(".key")


def _openssl(*words: str | Path | int) -> None:
    subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True)
