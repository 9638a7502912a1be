"""Evaluates alert rules every few seconds, stores the alerts, and sends notifications."""
