"""``predict``: starts that were not made yet."""
