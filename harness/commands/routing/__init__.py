"""``run_figure.sh routing``: request routers on Ray Serve LLM."""
