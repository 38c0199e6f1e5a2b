"""``run_figure.sh sharing``: prefix sharing, replayed."""
