"""Runs attempts on other machines: an engine keeps seats running, and an agent gives them its attempts.

An engine (Ray, Dask, Celery, …) does places, resources and quota: it is asked to keep one command running on a node,
`python -m taskyard.worker.engines.seat_main HOST:PORT ID`. That program connects to its agent's desk, proves once who
it is, and takes attempts over this connection until it goes. So whatever an engine runs again by itself is refused
before a handler starts, and an engine carries neither inputs nor outputs.
"""
