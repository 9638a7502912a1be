"""Sends HTTP requests out of the house: to the address that was checked and to no other.

May import: core.
"""
