"""Pure functions from recorded data to phases, quantities and statistics."""
