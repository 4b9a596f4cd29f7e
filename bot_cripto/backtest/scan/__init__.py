"""Where is there an edge: timeframes, horizons and costs, measured and judged together."""
