"""The shipped task types, one file each. `core.registry.BUILTIN_MODULES` lists them."""
