"""Models: from a frozen snapshot of features and labels to verified versions and forecasts."""
