"""Workflows: tasks that are submitted together, with edges between them and inputs made of others' outputs.

See docs/design for how these modules belong together.
"""
