"""The market-data source that the settings name; the others are not imported."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bot_cripto.errors import ConfigError
from bot_cripto.market.candles import CandleSource


def make_source(settings: Mapping[str, Any], cache_dir: Path) -> CandleSource:
    """Return the configured source.

    Parameters
    ----------
    settings : mapping
        ``source``; for simulated ``simulated`` with ``seed``, ``edge`` and ``outages``; for
        archive ``archive``, ``archive_symbol`` and ``archive_timeframe``; for exchange
        ``exchange``, ``exchange_base_url``, ``fetch_timeout_s``, ``fetch_budget_s`` and
        ``fetch_attempts``. A relative archive counts from the current folder.
    cache_dir : Path
        Folder where an exchange's market descriptions are kept.

    Raises
    ------
    ConfigError
        A setting is missing for that source or unusable.
    """
    source = settings["source"]
    if source == "simulated":
        from bot_cripto.market.simulated import SimulatedSource

        market = settings["simulated"]
        return SimulatedSource(market["seed"], market["edge"], market.get("outages", 0.0))
    if source == "archive":
        from bot_cripto.market.archive import ArchiveSource

        if not settings["archive"]:
            raise ConfigError("source is archive but ARCHIVE is empty; name a folder, file or glob")
        return ArchiveSource(
            settings["archive"],
            Path.cwd(),
            settings.get("archive_symbol") or None,
            settings.get("archive_timeframe") or None,
        )
    from bot_cripto.market.exchange import ExchangeSource

    return ExchangeSource(
        settings["exchange"],
        settings.get("exchange_base_url") or "",
        cache_dir=cache_dir,
        timeout_s=settings["fetch_timeout_s"],
        budget_s=settings["fetch_budget_s"],
        attempts=settings["fetch_attempts"],
    )
