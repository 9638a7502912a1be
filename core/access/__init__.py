"""Decides who may do what, and who may reach our servers: identities, roles, tokens, requests, addresses.

Nothing here knows a server. May import: errors, i18n, patterns, payload.
"""
