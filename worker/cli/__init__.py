"""Implements the command line of `taskyard`: one file for each group of commands.

What they need of an installation is in `ports`; `local` and `remote` serve it by the servers and over HTTP.
"""
