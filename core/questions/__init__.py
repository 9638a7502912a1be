"""Defines questions that handlers ask people: what may be asked, who may answer, and when that suffices (pure).

May import: core.access, core.payload and the words of core. No servers.
"""
