"""Connects agents to the API by HTTPS, for hosts that can't reach Redis.

May import: core, and the client's address and problems.
"""
