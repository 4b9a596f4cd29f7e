"""Backup and restore: one file that carries the state to another day or another host."""
