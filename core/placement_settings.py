"""Defines the settings of placement: in which order tasks of a queue are taken, and which agents get them."""

from __future__ import annotations

import json
from collections import Counter
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator
from pydantic_settings import NoDecode

from taskyard.core.comma_separated import CommaSeparated
from taskyard.core.declarations import LABEL, one_line, shown
from taskyard.core.i18n import msg
from taskyard.core.settings_part import SettingsPart

PlacementName = Literal["round_robin", "least_loaded", "priority", "learned"]


class PlacementSettings(SettingsPart):
    """Which placement policy each queue has, and which ones are compared."""

    placement: PlacementName = Field("least_loaded", description="Placement policy of queues without one of their own")
    placement_by_queue: Annotated[dict[str, PlacementName], NoDecode] = Field(
        default_factory=dict, description='Placement policy per queue as JSON, e.g. `{"reports": "priority"}`'
    )
    shadow_queues: CommaSeparated[str] = Field(
        (), description="Queues whose work is replayed under the policy `learned` each hour, comma-separated; `*`: all"
    )

    @field_validator("placement_by_queue", mode="before")
    @classmethod
    def _json_object(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        try:
            return json.loads(value or "{}", object_pairs_hook=_each_key_once)
        except (ValueError, RecursionError) as error:
            raise ValueError(msg("expected JSON: {reason}", reason=one_line(error))) from None

    @field_validator("placement_by_queue")
    @classmethod
    def _are_queues(cls, by_queue: dict[str, PlacementName]) -> dict[str, PlacementName]:
        wrong = sorted(shown(name) for name in by_queue if not LABEL.fullmatch(name))
        if wrong:
            raise ValueError(msg("expected names of queues, these are none: {names}", names=", ".join(wrong)))
        return by_queue

    @field_validator("shadow_queues")
    @classmethod
    def _are_queues_or_all(cls, queues: tuple[str, ...]) -> tuple[str, ...]:
        wrong = sorted(shown(name) for name in queues if name != "*" and not LABEL.fullmatch(name))
        if wrong:
            raise ValueError(msg("expected names of queues, these are none: {names}", names=", ".join(wrong)))
        return queues

    def placement_of(self, queue: str) -> PlacementName:
        """Returns the placement policy of a queue."""
        return self.placement_by_queue.get(queue, self.placement)


def _each_key_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    doubled = sorted(name for name, count in Counter(name for name, _ in pairs).items() if count > 1)
    if doubled:
        raise ValueError(msg("expected each only once: {names}", names=", ".join(doubled)))
    return dict(pairs)
