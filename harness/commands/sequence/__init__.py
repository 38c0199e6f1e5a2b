"""``sequence``: lengths and memory operations, predicted."""
