"""``run_figure.sh``: figures of starts, and what all figures' commands share."""
