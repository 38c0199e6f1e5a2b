"""The artifact appendix, generated from the declarations so that it cannot go stale."""
