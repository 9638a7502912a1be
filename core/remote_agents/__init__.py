"""Checks what agents say that come through the API, where it arrives: nothing invalid is passed on.

May import: protocol, access, redis, submission, and what those may.
"""
