"""Draws what surrounds every page: navigation, sidebar, the frame of a page.

May import: components, data.
"""
