"""Defines what the models of the shipped task types have in common."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Model(BaseModel):
    """A model that is built when it is first used: most processes use few of the shipped types."""

    model_config = ConfigDict(defer_build=True)
