"""One run and one session of runs: what is started, from which state, and what is recorded of it."""
