"""An executable model of the protocol: explicit-state search over one task, two agents, leader and standby.

It shares no code with the product. `python -m tests.model` explores it and prints, for each rule, the
shortest trace that goes wrong without that rule.
"""
