"""Statistics of returns, trades and forecasts, with their uncertainty."""
