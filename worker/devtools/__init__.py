"""Holds tools for developers: benchmarks, proofs, soaks, seeds and samples.

May import everything but the command line.
"""
