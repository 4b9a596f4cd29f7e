"""What is configured, where it lies, which models are in use, and what the last signal said."""

from __future__ import annotations

import json
import platform
from importlib.metadata import version
from typing import Any

from bot_cripto import __version__
from bot_cripto.checkout import ROOT, own_layout, own_settings
from bot_cripto.errors import BotCriptoError
from bot_cripto.layout import Layout
from bot_cripto.market.store import CandleStore
from bot_cripto.models.champion import read_champion
from bot_cripto.provenance import git_commit
from bot_cripto.signals.publish import signal_path
from bot_cripto.timeframes import iso

LIBRARIES = ("snakemake", "ccxt", "lightgbm", "mlflow", "numpy", "pyarrow")


def info() -> str:
    """Return a page of text on this installation; secrets are no part of it."""
    settings = own_settings()
    layout = own_layout(settings)
    libraries = ", ".join(f"{name} {version(name)}" for name in LIBRARIES)
    lines = [
        f"bot-cripto {__version__}, commit {git_commit(ROOT) or 'unknown'}",
        f"Python {platform.python_version()}; {libraries}",
        f"data {layout.data}",
        f"models {layout.models}",
        f"logs {layout.logs}",
        f"source {settings['source_name']}, timeframe {settings['timeframe']}, "
        f"horizon {settings['horizon_steps']} candles",
    ]
    if settings["as_of"]:
        lines.append(f"as of {settings['as_of']}")
    for symbol in settings["symbols"]:
        lines += ["", symbol, *_symbol(symbol, settings, layout)]
    return "\n".join(lines)


def _symbol(symbol: str, settings: dict[str, Any], layout: Layout) -> list[str]:
    return [
        f"  candles: {_candles(symbol, settings, layout)}",
        f"  models: {_models(symbol, layout)}",
        f"  signal: {_signal(symbol, layout)}",
    ]


def _candles(symbol: str, settings: dict[str, Any], layout: Layout) -> str:
    store = CandleStore(layout.store, settings["market"], settings["timeframe"])
    try:
        span = store.span(symbol)
    except BotCriptoError as error:
        return str(error)
    return f"{iso(span[0])} to {iso(span[1] + store.step_ms)}" if span else "none"


def _models(symbol: str, layout: Layout) -> str:
    try:
        champion = read_champion(layout.models, symbol)
    except BotCriptoError as error:
        return str(error)
    if champion is None:
        return "none yet"
    kinds = ", ".join(f"{kind} {use.version}" for kind, use in champion.kinds.items())
    return f"{kinds}{' (provisional)' if champion.provisional else ''}: {champion.reason}"


def _signal(symbol: str, layout: Layout) -> str:
    try:
        signal = json.loads(signal_path(layout.logs, symbol).read_bytes())
        return f"{signal['decision']} at {signal['candle_close_time']}: {signal['reason']}"
    except FileNotFoundError:
        return "none yet"
    except (OSError, ValueError, KeyError) as error:
        return f"unreadable: {error}"
