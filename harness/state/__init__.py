"""State a run starts from: the machine's fingerprint and the compile-cache sandbox."""
