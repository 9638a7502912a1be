"""The task types that Taskyard brings along: other tests register types of their own in the same registry."""

from taskyard.core.task_types.registry import BUILTIN_MODULES, registry

SHIPPED_TYPES = sorted(
    (known for known in registry.load().types.values() if known.handler.__module__ in BUILTIN_MODULES),
    key=lambda known: known.name,
)
SHIPPED_NAMES = [known.name for known in SHIPPED_TYPES]
