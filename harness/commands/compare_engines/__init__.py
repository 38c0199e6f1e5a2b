"""``engines compare``: engines behind OpenAI's API held against each other."""
