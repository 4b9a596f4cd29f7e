"""Configuration: one schema, three origins (command line, environment, config.yaml)."""

from bot_cripto.config.load import effective, load_settings
from bot_cripto.config.schema import Settings

__all__ = ["Settings", "effective", "load_settings"]
