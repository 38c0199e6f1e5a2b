"""``run_figure.sh anatomy``: serving traced step by step, and the feature matrix."""
