"""``gpu-check``: a machine with a GPU, stage by stage."""
