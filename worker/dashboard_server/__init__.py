"""The dashboard as the worker's child: its process, its supervisor, the link that signs in.

May import: process.
"""
