"""What surrounds a run of the workflow: its lock before, publishing and the exit code after.

The rules make the stamped signal; this publishes it. It happens at the end of every run, also of
one that had nothing to do, so that a deleted signal.json comes back by itself, and also of one
that failed: then a NO_TRADE that names the failure replaces whatever was there.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

from bot_cripto import atomic, clock
from bot_cripto.checkout import standing
from bot_cripto.config.load import effective, salvage_settings
from bot_cripto.decision.thresholds import policy_of
from bot_cripto.errors import BotCriptoError, ConfigError
from bot_cripto.jobs import ERRORS_VARIABLE, ROLE_VARIABLE
from bot_cripto.layout import Layout
from bot_cripto.locks import lock_run
from bot_cripto.provenance import sha256_json
from bot_cripto.symbols import symbol_to_path
from bot_cripto.timeframes import iso, last_close, parse_candle_id, parse_iso

NOT_CONFIGURATION = ("as_of", "state_dir", "data_dir", "models_dir", "logs_dir")
"""Settings that say when and where, not how: no part of the configuration's hash."""

log = logging.getLogger("bot_cripto")


def config_sha256(settings: Mapping[str, Any]) -> str:
    """Return the hash of the effective configuration, whatever the moment and the folders."""
    return sha256_json(_configuration(settings))


def _configuration(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in settings.items() if name not in NOT_CONFIGURATION}


def training_cutoff(setting: str, now_ms: int, timeframe: str) -> int:
    """Return the moment before which candles are trained on, milliseconds since the epoch, UTC.

    Without a setting it is the last midnight: a whole day trains on the same data.

    Raises
    ------
    ConfigError
        The setting lies in the future.
    """
    if not setting:
        return last_close(now_ms, "1d")
    cutoff = last_close(parse_iso(setting), timeframe)
    if cutoff > now_ms:
        raise ConfigError(f"training_cutoff = {setting} lies after now, {iso(now_ms)}")
    return cutoff


def bootstrap_kinds(
    layout: Layout, symbols: list[str], kinds: tuple[str, ...]
) -> dict[str, tuple[str, ...]]:
    """Return which kinds of model to make for the first time, by symbol (as in paths).

    A symbol with a champion, or one that had one, or with any version is left alone. Where
    another symbol has a champion, a new one begins with the baseline until the next retrain.
    """

    def known(symbol: str) -> bool:
        past = layout.champion(symbol).parent / "history" / f"{symbol}.jsonl"
        return (
            layout.champion(symbol).exists()
            or past.exists()
            or any((layout.models / kind / symbol).is_dir() for kind in kinds)
        )

    new = [symbol for symbol in symbols if not known(symbol)]
    return {symbol: kinds if len(new) == len(symbols) else ("baseline",) for symbol in new}


class ErrorKeeper(logging.Handler):
    """Keeps the error lines that the workflow logs: the reason of a failure without a job."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the line."""
        self.lines.append(" ".join(record.getMessage().split()))


class Run:
    """One run of the workflow: opened before the DAG is decided on, closed when it has ended.

    Parameters
    ----------
    layout : Layout
        Its relative folders count from the state folder, where the workflow works.
    settings : dict
        The effective settings.
    candle : str
        Id of the last closed candle.
    cutoff : str
        Id of the moment before which candles are trained on.
    provenance : dict
        ``git_commit`` and ``config_sha256`` of this run.
    logger : logging.Logger
        The workflow's own, whose errors are kept.
    """

    def __init__(
        self,
        layout: Layout,
        settings: dict[str, Any],
        candle: str,
        cutoff: str,
        provenance: dict[str, Any],
        logger: logging.Logger,
    ) -> None:
        self.layout = layout
        self.settings = settings
        self.candle = candle
        self.cutoff = cutoff
        self.provenance = provenance
        self.logger = logger
        self.errors = ErrorKeeper()
        self.lock: IO[str] | None = None
        self.publishes = False

    def open(self, role: str, publishes: bool = False) -> bool:
        """Take the lock of the role and put the state in order; True the first time.

        Raises
        ------
        BusyError
            Another run of the role is at work.
        """
        if self.lock is not None:
            self.publishes |= publishes
            return False
        self.lock = lock_run(self.layout.locks, role)
        self.publishes = publishes
        self.logger.addHandler(self.errors)
        errors = self._live / "errors"
        os.environ[ROLE_VARIABLE] = role
        os.environ[ERRORS_VARIABLE] = str(errors)
        for old in errors.glob("*.json"):
            old.unlink()
        self._keep_configuration()
        self._discard_failed()
        from bot_cripto.models.champion import restore_lost

        for symbol in restore_lost(self.layout.models, self.settings["symbols"]):
            self.logger.warning(f"The champion file of {symbol} was lost; restored from history.")
        return True

    def close(self) -> int:
        """Publish, set failed artefacts aside for the next try, and return the exit code."""
        failed = bool(self.errors.lines)
        if self.publishes:
            failed |= self._publish()
        failed |= bool(self._discard_failed())
        return int(failed)

    @property
    def _live(self) -> Path:
        return self.layout.live(self.candle)

    def _keep_configuration(self) -> None:
        """Store the effective configuration by its hash: a replay needs nothing but the signal."""
        path = self.layout.configs / f"{self.provenance['config_sha256']}.json"
        if not path.exists():
            atomic.write_json(path, _configuration(self.settings))

    def _discard_failed(self) -> list[str]:
        """Remove what a failed symbol left, so that this candle can be tried again.

        Returns
        -------
        list of str
            A sentence for each failure.
        """
        failures = []
        for pattern in ("candles/*.quality.json", "features/*.json", "signals.status.json"):
            for path in self._live.glob(pattern):
                failures += _discard_if_failed(path)
        for cutoff in {self.candle, self.cutoff}:
            for path in self.layout.history(cutoff, "").parent.glob("*.json"):
                failed = _discard_if_failed(path)
                failures += failed
                if failed:  # what was trained on it says no more than that there is nothing
                    shutil.rmtree(self.layout.training(cutoff, path.stem), ignore_errors=True)
        return failures

    def _publish(self) -> bool:
        """Publish every symbol's signal, or a NO_TRADE that names the failure; True on failure."""
        from bot_cripto.signals.publish import publish, revised

        documents, failed = {}, False
        reason = self._reason() if self.errors.lines else None
        for symbol in self.settings["symbols"]:
            path = self._live / "signals" / f"{symbol_to_path(symbol)}.json"
            try:
                if reason is not None:
                    raise BotCriptoError(reason)
                documents[symbol] = json.loads(path.read_bytes())
            except (OSError, ValueError, BotCriptoError) as error:
                failed = True
                documents[symbol] = revised(self._no_trade(symbol, str(error)), self.layout.logs)
        try:
            for done in publish(documents, self.layout.logs, self.settings["symbols"][0]):
                if done.reason and done.action == "skipped":
                    self.logger.warning(f"{done.path} not published: {done.reason}")
        except (OSError, BotCriptoError) as error:
            self.logger.error(f"publishing failed: {error}")
            failed = True
        return failed

    def _reason(self) -> str:
        """Return which step failed and why: the job's own words, else the workflow's."""
        said = []
        for path in sorted((self._live / "errors").glob("*.json"), key=lambda p: p.stat().st_mtime):
            try:
                record = json.loads(path.read_bytes())
                said.append(f"{record['step']}: {record['error']}")
            except (OSError, ValueError, KeyError):
                said.append(f"{path.stem}: failed")
        return said[0] if said else f"workflow: {self.errors.lines[0][:500]}"

    def _no_trade(self, symbol: str, reason: str) -> dict[str, Any]:
        return no_trade(self.settings, symbol, reason, self.candle, self.provenance)


def _discard_if_failed(path: Path) -> list[str]:
    """Remove a report that states an error or cannot be read; return that error."""
    try:
        error = json.loads(path.read_bytes())["error"]
    except (OSError, ValueError, KeyError, TypeError) as problem:
        error = f"unreadable: {problem}"
    if error is None:
        return []
    path.unlink(missing_ok=True)
    return [f"{path.name}: {error}"]


def no_trade(
    settings: Mapping[str, Any],
    symbol: str,
    reason: str,
    candle: str | None,
    provenance: Mapping[str, Any],
) -> dict[str, Any]:
    """Return the NO_TRADE document of a run that failed; `reason` is ``step: what went wrong``."""
    from bot_cripto.signals.document import Facts, Provenance, failure

    step, _, problem = reason.partition(": ")
    if not problem:
        step, problem = "workflow", reason
    facts = Facts(
        made_ms=clock.now_ms(),
        candle_close_ms=parse_candle_id(candle) if candle else None,
        source=settings["source_name"],
        symbol=symbol,
        timeframe=settings["timeframe"],
        horizon_steps=settings["horizon_steps"],
        equity=settings["initial_equity"],
        provenance=Provenance(**provenance),
    )
    return failure(step, problem, facts, policy_of(settings))


def publish_config_failure(
    problem: str,
    root: Path,
    environment: Mapping[str, str],
    overrides: Mapping[str, Any],
) -> None:
    """Replace signal.json by a NO_TRADE that names the configuration error.

    Only where the folder of the logs is known: the faulty settings are left out, and one of
    them may be that folder.
    """
    from bot_cripto.signals.publish import publish_failure

    salvaged, dropped = salvage_settings(root / "config" / "config.yaml", environment, overrides)
    if {"state_dir", "logs_dir"} & dropped:
        return
    settings = effective(salvaged, standing())
    logs = Path(settings["logs_dir"] or Path(settings["state_dir"] or root) / "logs")
    document = no_trade(settings, settings["symbols"][0], f"configuration: {problem}", None, {})
    try:
        publish_failure(document, logs)
    except OSError as error:
        sys.stderr.write(f"signal.json could not be replaced in {logs}: {error}\n")
