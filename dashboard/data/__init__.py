"""Reads everything that the pages show: the only package that opens connections or caches.

`base` has the connections and what readings share, every other module the data of one page. Pages call these
functions and nothing of `core.postgres.store`; a test checks that.
"""
