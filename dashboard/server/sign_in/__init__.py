"""Serves the sign-in form, the way to an OpenID Connect provider and back, and sign-outs, without JavaScript.

May import: data, server.entrance.
"""
