"""Implements `taskyard prove`: real work under real kills, and an independent count of the results."""
