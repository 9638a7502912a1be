"""Everything that the pages show: the only package that opens connections or caches.

`base` has the connections and what readings share, every other module what one page asks. Pages call
these functions and nothing of `core.postgres.store`; a test sees to it.
"""
