"""Append-only state: the journal of signals, the ledger of trading, operators' switches."""
