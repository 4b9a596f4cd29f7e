"""Telling people: messages from the journal and the ledger, and Telegram to carry them."""
