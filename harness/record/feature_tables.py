"""Tables of the feature matrix: none yet."""

from harness.record.tables import Table

FEATURE_TABLES: tuple[Table, ...] = ()
