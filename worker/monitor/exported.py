"""Makes the server of metrics where one is configured: elsewhere its libraries are not loaded."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from taskyard.core.config import Settings

if TYPE_CHECKING:
    from prometheus_client.registry import Collector

    from taskyard.worker.monitor.exporter import Exporter


def exporter_of(
    settings: Settings,
    collectors: Sequence[Collector],
    health: Callable[[], Sequence[str]],
    readiness: Callable[[], Sequence[str]],
    demand: Callable[[], Mapping[str, int]] | None = None,
) -> Exporter | None:
    """Returns a server that is not started; None if the settings ask for none. See Exporter."""
    if not settings.metrics_port:
        return None
    from taskyard.worker.monitor.exporter import Exporter

    return Exporter(settings, collectors, health, readiness, demand)
