"""Walking the deployed path over the past: the same functions, candle by candle."""
