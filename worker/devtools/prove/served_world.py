"""Extends the world by the HTTP API, which may die, too."""

from __future__ import annotations

from taskyard.core.config import Settings
from taskyard.worker.devtools.prove import plan
from taskyard.worker.devtools.prove.api_server import ApiServer
from taskyard.worker.devtools.prove.world import World


class ServedWorld(World):
    """A World with one process of the API."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.api = ApiServer(lambda variables: self.start_process("api", 0, **variables))

    def start(self) -> None:
        """Starts everything; raises Unavailable."""
        super().start()
        self.wait(self.api.is_up, "the API")

    def tend(self) -> None:
        """Restarts workers and the API if they have died."""
        super().tend()
        self.api.tend()

    def kill(self, kill: plan.Kill) -> str:
        """Kills as planned; the API is restarted by `tend`. Returns who died."""
        return self.api.kill(kill.which) if kill.kind == plan.API else super().kill(kill)

    def stop(self) -> list[str]:
        """Stops the API, workers and agents as an operator would; returns what still runs of them afterwards."""
        self.api.stop()
        return super().stop()
