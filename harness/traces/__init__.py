"""Traces of requests: reading, checking and making them. Files in, files out; no engine, no process, no clock."""
