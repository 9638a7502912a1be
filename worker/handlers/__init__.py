"""Holds the shipped task types, one file each. `core.task_types.registry.BUILTIN_MODULES` lists them."""
