"""Brings up clusters of engines on this host, for the benchmark, `prove` and the tests."""
