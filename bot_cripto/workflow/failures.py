"""The NO_TRADE of a run that failed: what stands in signal.json instead of an old signal."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bot_cripto import clock
from bot_cripto.checkout import standing
from bot_cripto.config.load import effective, salvage_settings
from bot_cripto.decision.thresholds import policy_of
from bot_cripto.signals.document import Facts, Provenance, failure
from bot_cripto.signals.publish import publish_failure
from bot_cripto.timeframes import parse_candle_id


def no_trade(
    settings: Mapping[str, Any],
    symbol: str,
    reason: str,
    made_ms: int,
    candle: str | None = None,
    provenance: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the NO_TRADE document of a failure.

    Parameters
    ----------
    settings : mapping
        Effective settings.
    symbol : str
    reason : str
        ``step: what went wrong``, free of secrets.
    made_ms : int
        When, milliseconds since the epoch, UTC.
    candle : str, optional
        Id of the candle that would have been judged.
    provenance : mapping, optional
        ``git_commit``, ``code_sha256``, ``config_sha256``.
    """
    step, _, problem = reason.partition(": ")
    if not problem:
        step, problem = "workflow", reason
    facts = Facts(
        made_ms=made_ms,
        candle_close_ms=parse_candle_id(candle) if candle else None,
        source=settings["source_name"],
        symbol=symbol,
        timeframe=settings["timeframe"],
        horizon_steps=settings["horizon_steps"],
        equity=settings["initial_equity"],
        provenance=Provenance(**(provenance or {})),
    )
    return failure(step, problem, facts, policy_of(settings))


def publish_config_failure(
    problem: str,
    root: Path,
    environment: Mapping[str, str],
    config_files: list[Path],
    overrides: Mapping[str, Any],
) -> None:
    """Replace signal.json by a NO_TRADE that names the configuration error.

    Only where the folder of the logs is known: the faulty settings are left out, and one of
    them may be that folder.
    """
    files = [root / "config" / "config.yaml", *config_files]
    salvaged, logs_known = salvage_settings(files, environment, overrides)
    if not logs_known:
        return
    settings = effective(salvaged, standing())
    logs = Path(settings["logs_dir"] or Path(settings["state_dir"] or root) / "logs")
    # the system's own time: the clock may be what is configured wrongly
    made_ms = clock.system_ms()
    reason = f"configuration: {problem}"
    try:
        publish_failure(no_trade(settings, settings["symbols"][0], reason, made_ms), logs)
    except OSError as error:
        sys.stderr.write(f"signal.json could not be replaced in {logs}: {error}\n")
