"""Runs the last release and this one side by side, replaces one by the other under kills, and counts."""
