"""Engines: their environments, locks, patches, and the launch of one engine process tree."""
