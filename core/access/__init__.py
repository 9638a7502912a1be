"""Decides who may do what, and who may reach our servers: identities, requests, addresses (pure).

May import: errors, i18n.
"""
