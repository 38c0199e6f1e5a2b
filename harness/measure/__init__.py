"""One run and one session of runs: the only room that starts measured processes or reads clocks."""
