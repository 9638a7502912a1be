"""Simulates recorded work under a placement policy, to compare policies on the same arrivals (pure).

May import: learning, scheduling, models, states. Neither of the first two knows it.
"""
