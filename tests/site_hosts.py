"""A site for tests: its file of keys, a desk's certificate, and hosts that dial in, as processes of their own."""

from __future__ import annotations

import contextlib
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from taskyard.worker.engines.settings import EngineSettings
from taskyard.worker.engines.site_host import SITE_KEY_VARIABLE
from tests.certificates import make_certificate
from tests.client.apis import Certificate
from tests.servers import REPOSITORY, free_port


@dataclass
class Hosts:
    """Starts hosts of the site `berlin`, whose log is `log`."""

    folder: Path
    settings: EngineSettings
    certificate: Certificate
    key: str
    started: list[subprocess.Popen[bytes]]

    def start(
        self,
        count: int = 1,
        *,
        key: str = "",
        site: str = "berlin",
        desk: str = "",
        ca_file: str = "",
        grace_seconds: float = 30.0,
        modules_in: Path | None = None,
    ) -> int:
        """Starts a host, which finds modules in a folder before others; returns its number."""
        given = ["seats", desk or self.settings.listen, "--site", site, "--count", str(count)]
        given += ["--ca-file", ca_file or str(self.certificate.authority), "--grace-seconds", f"{grace_seconds:g}"]
        paths = os.pathsep.join([*([str(modules_in)] if modules_in else []), str(REPOSITORY), *filter(None, sys.path)])
        environment = {**os.environ, "PYTHONPATH": paths, SITE_KEY_VARIABLE: key or self.key}
        number = len(self.started)
        with self.log(number).open("wb") as said:
            command = [sys.executable, "-m", "taskyard", *given]
            self.started.append(subprocess.Popen(command, env=environment, stdout=said, stderr=said, cwd=self.folder))
        return number

    def log(self, number: int) -> Path:
        return self.folder / f"host-{number}.log"

    def said(self, number: int) -> str:
        return self.log(number).read_text("utf-8", errors="replace")


@contextlib.contextmanager
def site_of_hosts(folder: Path, **more: object) -> Iterator[Hosts]:
    """A site without hosts; those that a test starts end with it."""
    key, certificate = secrets.token_hex(32), make_certificate(folder)
    sites = folder / "sites.toml"
    sites.write_text(f'berlin = "{key}"\n', "utf-8")
    settings = EngineSettings(
        "edge",
        listen=f"127.0.0.1:{free_port()}",
        certificate=str(certificate.file),
        private_key=str(certificate.key),
        options={"sites": str(sites)},
        wait_seconds=60.0,
        **more,  # type: ignore[arg-type]
    )
    hosts = Hosts(folder, settings, certificate, key, [])
    try:
        yield hosts
    finally:
        for host in hosts.started:
            host.kill()
        for host in hosts.started:
            host.wait()
