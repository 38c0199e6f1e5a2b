"""``bundle``, ``merge`` and ``status``: slots carried between machines, and what is there."""
