"""How far back the features may look: the one number that fetching needs to know of them."""

REACH = 1_400
"""Candles, the current one included, that no feature's window exceeds; a test checks it."""
