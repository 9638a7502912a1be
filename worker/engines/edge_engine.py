"""The engine `edge`: hosts of known sites dial in, over TLS, and keep seats; see `site_host`. Nothing is launched."""

from __future__ import annotations

from taskyard.worker.engines.certificates import certificate_problems
from taskyard.worker.engines.engine import EngineProblem, SeatCommand
from taskyard.worker.engines.settings import EngineSettings
from taskyard.worker.engines.sites import read_sites


class EdgeEngine:
    """Waits for hosts: whoever has a site's key may bring a seat whenever the agent has room for one."""

    def __init__(self, settings: EngineSettings) -> None:
        """Raises EngineProblem if the settings are not enough for hosts to dial in."""
        if found := problems(settings):
            raise EngineProblem(f"engine.{found[0]}")
        self._path = str(settings.options["sites"])

    def launch(self, seat_id: str, command: SeatCommand) -> None:
        pass  # a seat that dials in takes the place of this one

    def cancel(self, seat_id: str) -> None:
        pass

    def problem(self, seat_id: str) -> str:
        return ""

    def why(self, seat_id: str) -> str:
        return f"no host has dialled in with a free seat; known sites: {', '.join(read_sites(self._path))}"

    def secret_of_site(self, site: str) -> bytes | None:
        """Returns the key of a site, as its file has it now; None if it is not known. Raises EngineProblem."""
        key = read_sites(self._path).get(site)
        return None if key is None else key.encode()

    def close(self) -> None:
        pass


def problems(settings: EngineSettings) -> list[str]:
    """Returns what is wrong with the settings of an engine, each as "field: …"."""
    found = []
    if not settings.certificate:
        found.append("certificate: missing: expected a file: hosts of sites come over TLS alone")
    if settings.listen.endswith(":0"):
        found.append(f"listen: {settings.listen!r} is not accepted: expected a port that hosts of sites know")
    path = settings.options.get("sites", "")
    if not path:
        found.append("options.sites: missing: expected a file with the keys of sites")
    else:
        try:
            read_sites(path)
        except EngineProblem as problem:
            found.append(f"options.sites: {path!r} is not accepted: {problem}")
    return found


def reached(settings: EngineSettings) -> str:
    """Returns which sites are known, after a look at the certificate. Raises EngineProblem."""
    if found := certificate_problems(settings.certificate, settings.private_key):
        raise EngineProblem(found[0])
    sites = ", ".join(read_sites(str(settings.options.get("sites", ""))))
    return f"hosts dial in at {settings.advertise or settings.listen}, from sites {sites}"
