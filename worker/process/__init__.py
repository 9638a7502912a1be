"""What any process of ours needs: signals, ports, its children, its end.

May import: core.
"""
