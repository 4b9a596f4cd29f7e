"""What people and programs read of a measurement of drift."""
