"""``run_figure.sh headroom``: how many KV blocks to keep free."""
