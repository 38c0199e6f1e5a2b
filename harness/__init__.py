"""Cold-start profiling of vLLM: declare → run → record → collect → analyse → plot."""

__version__ = "0.11.0"
