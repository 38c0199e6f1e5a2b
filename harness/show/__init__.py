"""What people see: figure style, drawings, tables."""
