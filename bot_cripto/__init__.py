"""Bot Cripto: signals that can be traced, replayed and believed."""

__version__ = "0.1.0"
