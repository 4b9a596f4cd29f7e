"""From the frozen candles of one moment to its stamped signal: what live run and replay share."""
