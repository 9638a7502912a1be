"""Holds the pages, a folder each: `page` draws it, `data` reads for it, the rest are its parts.

A page imports no other page.
"""
