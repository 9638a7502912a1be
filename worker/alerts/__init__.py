"""Alerts: rules that are judged every few seconds, what became of them, and who is told."""
