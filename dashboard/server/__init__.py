"""The HTTP server beside the pages: who may come in, downloads, health.

May import: data.
"""
