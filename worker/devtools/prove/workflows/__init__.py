"""Has `prove` submit workflows and questions, act on them as operators and people do, and count what became of them."""
