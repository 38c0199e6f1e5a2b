"""Records on disk: run.json, the run store and slots. Standard library only, imports nothing of ours."""
