"""Declarations: models, figures, pins and hook tables as validated data, and the plan made of them."""
