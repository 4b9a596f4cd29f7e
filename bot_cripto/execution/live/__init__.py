"""Trading with real money through ccxt: off unless two switches say otherwise."""
