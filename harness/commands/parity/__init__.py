"""``parity``: vLLM held against transformers."""
