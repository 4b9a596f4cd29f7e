"""Drift: whether inputs, forecasts and results are still as they were."""
