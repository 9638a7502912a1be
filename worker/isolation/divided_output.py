"""Separates the structured log of a process that runs handlers from what these print."""

from __future__ import annotations

import sys

import structlog

from taskyard.worker.isolation.raw_output import RawOutput
from taskyard.worker.isolation.streams import route_streams, take_line
from taskyard.worker.logging.setup import configure_logs
from taskyard.worker.logging.shipping import LogShipper

log = structlog.get_logger(__name__)


def divide_output(log_level: str) -> tuple[LogShipper, RawOutput | None]:
    """Separates the structured log from handlers' output; returns None if the descriptors can't be redirected."""
    try:
        raw_output = RawOutput()
    except OSError as error:
        shipper = configure_logs(log_level, take_line)
        log.warning("agent.output_unbounded", reason=f"descriptors 1 and 2 are left as they are: {error}")
        route_streams()
        return shipper, None
    sys.stderr = raw_output.log_stream  # for log lines only
    shipper = configure_logs(log_level, take_line)
    sys.stderr = sys.__stderr__
    raw_output.take_over()
    route_streams()
    return shipper, raw_output
