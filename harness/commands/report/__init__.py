"""``report``: one HTML file of everything."""
