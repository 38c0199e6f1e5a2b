"""``claims``: the paper's claims, judged."""
