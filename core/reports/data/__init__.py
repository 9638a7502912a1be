"""What is in a report: read, counted, and laid out as data.

May import: postgres, telemetry.
"""
