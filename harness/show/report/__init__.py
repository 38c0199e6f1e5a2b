"""The report: everything that was measured and judged here, as one HTML file that needs nothing else."""
