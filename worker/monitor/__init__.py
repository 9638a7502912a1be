"""What the worker sees of itself and of everything around it."""
