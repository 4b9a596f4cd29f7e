"""Market data: three sources behind one interface, validation, and the candle store."""
