"""Certificates for tests: an authority of their own, and a server's for this machine."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.client.apis import Certificate

_OPENSSL_CURVE = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


def make_certificate(folder: Path) -> Certificate:
    """A server's certificate for 127.0.0.1, signed by a new authority, by the program `openssl`."""
    authority_key, authority = folder / "authority.key", folder / "authority.pem"
    key, request, certificate = folder / "server.key", folder / "server.csr", folder / "server.pem"
    extensions = folder / "extensions"
    extensions.write_text("subjectAltName=IP:127.0.0.1\nbasicConstraints=CA:FALSE\n")
    ca = ("-x509", "-days", "2", "-subj", "/CN=tests", "-addext", "keyUsage=critical,keyCertSign,cRLSign")
    _openssl("req", *_OPENSSL_CURVE, "-keyout", authority_key, "-out", authority, *ca)
    _openssl("req", *_OPENSSL_CURVE, "-keyout", key, "-out", request, "-subj", "/CN=127.0.0.1")
    signing = ("-CA", authority, "-CAkey", authority_key, "-CAcreateserial", "-days", "2", "-extfile", extensions)
    _openssl("x509", "-req", "-in", request, "-out", certificate, *signing)
    return Certificate(key, certificate, authority)


def _openssl(*words: str | Path) -> None:
    subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True)
