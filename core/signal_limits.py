"""Defines how long the names of signals may be, and how many one task may get."""

MAX_SIGNAL_NAME_LENGTH = 100  # characters
MAX_SIGNALS = 1_000
