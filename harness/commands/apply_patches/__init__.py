"""``apply_patches.py``: patches and the tracer, put into an engine and taken back."""
