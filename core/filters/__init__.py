"""What a search asks for, as values: from and to the parameters of a URL and stored JSON (pure).

May import: payload, states.
"""
