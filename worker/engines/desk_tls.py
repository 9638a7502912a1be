"""The certificate of a desk: read again whenever its file has changed, as renewals do while agents run."""

from __future__ import annotations

import os
import ssl
import threading
from pathlib import Path

import structlog

from taskyard.worker.engines.certificates import Expiry, certificate_problems, server_context
from taskyard.worker.engines.engine import EngineProblem
from taskyard.worker.engines.settings import EngineSettings

log = structlog.get_logger(__name__)


class DeskTls:
    """The TLS of one desk; both files are looked at before each connection."""

    def __init__(self, settings: EngineSettings) -> None:
        """Reads the files, if there are any. Raises EngineProblem if they can't be used."""
        self._file, self._key = settings.certificate, settings.private_key
        self._lock = threading.Lock()
        self._context: ssl.SSLContext | None = None
        self._text = ""
        self._expiry: Expiry | None = None
        self._refused = ""  # why the files can't be used as they are now
        self._read_of = self._state()
        self._read()

    def context(self) -> ssl.SSLContext | None:
        """Returns the context for a new connection; None without a certificate.

        Files that can't be used, as in the middle of a renewal, leave the former certificate in use.
        """
        self._follow()
        return self._context

    def certificate(self) -> str:
        """Returns what seats are told to expect, PEM; empty without a certificate."""
        self._follow()
        return self._text

    def problem(self) -> str:
        """Returns what is wrong with the certificate now, in one line; empty if nothing is, or there is none."""
        return self._refused or (self._expiry.problem() if self._expiry is not None else "")

    def remark(self) -> str:
        """Returns that the certificate expires soon; empty if it does not, or has."""
        return self._expiry.remark() if self._expiry is not None else ""

    def _follow(self) -> None:
        if not self._file:
            return
        with self._lock:
            state = self._state()
            if state == self._read_of:
                return
            self._read_of = state
            try:
                self._refused = ""
                self._read()
            except EngineProblem as problem:
                self._refused = f"the certificate of before stays in use: {problem}"
                log.warning("desk.certificate_refused", reason=str(problem))
            else:
                log.info("desk.certificate_renewed", path=self._file)

    def _read(self) -> None:
        if found := certificate_problems(self._file, self._key):
            raise EngineProblem(f"engine.{found[0]}")
        if not self._file:
            return
        try:
            context = server_context(self._file, self._key)
            self._text = Path(self._file).read_text("utf-8")
        except (OSError, ValueError) as error:
            raise EngineProblem(f"engine.certificate: {self._file!r} can't be used: {error}") from None
        self._context = context
        self._expiry = Expiry.of(self._text)
        if said := self.problem() or self.remark():
            log.warning("desk.certificate_expires", path=self._file, reason=said)

    def _state(self) -> tuple[tuple[int, int, int] | None, ...]:
        return tuple(_stamp(path) for path in (self._file, self._key) if path)


def _stamp(path: str) -> tuple[int, int, int] | None:
    """Returns what changes with a file's content."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino, found.st_size
