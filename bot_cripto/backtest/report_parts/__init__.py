"""The parts of the page that shows a backtest: drawing, words, numbers, sections."""
