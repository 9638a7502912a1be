"""Sends the API what its document allows, and what it does not, with the token of each role and without one."""
