"""What surrounds a run of the workflow: its locks before, publishing and the exit code after.

The rules make the stamped signal; this publishes it. It happens at the end of every run, also of
one that had nothing to do, so that a deleted signal.json comes back by itself, and also of one
that failed: then a NO_TRADE that names the failure replaces whatever was there.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

from bot_cripto import atomic, clock
from bot_cripto.errors import BotCriptoError, BusyError, ConfigError
from bot_cripto.layout import Layout
from bot_cripto.ledger.journal import Journal
from bot_cripto.locks import WAIT_S, lock_run
from bot_cripto.models.champion import champion_path, history_path
from bot_cripto.models.champion_change import restore_lost
from bot_cripto.provenance import sha256_json
from bot_cripto.signals.publish import SKIPPED, publish
from bot_cripto.symbols import symbol_to_path
from bot_cripto.timeframes import iso, last_close, parse_candle_id, parse_iso
from bot_cripto.workflow.failures import no_trade
from bot_cripto.workflow.jobs import ERRORS_VARIABLE, ROLES_VARIABLE
from bot_cripto.workflow.leftovers import (
    discard_history,
    discard_live,
    discard_unusable_training,
    read_json,
)

NOT_CONFIGURATION = ("as_of", "state_dir", "data_dir", "models_dir", "logs_dir", "rollback")
"""Settings that say when, where and what for, not how: no part of the configuration's hash."""


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
    """Return which kinds of model to make for the first time, by symbol.

    A symbol that has or had a champion is left alone. Where another symbol has a champion, a new
    one begins with the baseline until the next retrain.
    """

    def known(symbol: str) -> bool:
        models = layout.models
        return champion_path(models, symbol).exists() or history_path(models, symbol).exists()

    new = [symbol for symbol in symbols if not known(symbol)]
    return {symbol: kinds if len(new) == len(symbols) else ("baseline",) for symbol in new}


def terminate_from_a_thread() -> None:
    """Let the present handler of SIGTERM run in a thread of its own.

    Snakemake's takes a lock that the interrupted main thread may hold: it would wait for ever.
    """
    handler = signal.getsignal(signal.SIGTERM)
    if callable(handler):

        def apart(number: int, frame: object) -> None:
            threading.Thread(target=handler, args=(number, frame), daemon=True).start()

        signal.signal(signal.SIGTERM, apart)


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
        With whole paths.
    settings : dict
        The effective settings.
    candle, cutoff : str
        Ids of the last closed candle, and of the moment before which candles are trained on.
    provenance : dict
        ``git_commit``, ``code_sha256`` and ``config_sha256`` of this run.
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
        self.locks: dict[str, IO[str]] = {}
        self.publishes = False
        self.copies: dict[Path, Path] = {}
        self.asked: set[Path] = set()
        logger.addHandler(self.errors)

    def lock(self, role: str, wait_s: float = WAIT_S) -> None:
        """Take the lock of a role, if this run does not hold it yet.

        Raises
        ------
        BusyError
            Another run of the role is at work.
        """
        if role not in self.locks:
            self.locks[role] = lock_run(self.layout.locks, role, wait_s)
        os.environ[ROLES_VARIABLE] = ",".join(self.locks)

    def may_train(self) -> bool:
        """Whether a signal run may make first models: not while a retrain is at work."""
        try:
            self.lock("retrain", wait_s=0)
        except BusyError as busy:
            self.logger.warning(f"No first models in this run: {busy}")
            return False
        return True

    def open(self) -> None:
        """Put the state in order; what is wrong with it then ends the run as a failure."""
        os.environ[ERRORS_VARIABLE] = str(self._errors)
        for old in self._errors.glob("*.json"):
            old.unlink()
        path = self.layout.configs / f"{self.provenance['config_sha256']}.json"
        if not path.exists():  # a replay needs nothing but the signal
            atomic.write_json(path, _configuration(self.settings))
        self._discard(reports_too=True)
        for symbol in self.settings["symbols"]:
            self._restore(symbol)

    def _restore(self, symbol: str) -> None:
        """Restore a lost champion file; where that fails the signal says what it lacks."""
        try:
            if restore_lost(self.layout.models, [symbol]):
                self.logger.warning(
                    f"The champion file of {symbol} was lost; restored from history."
                )
        except (BotCriptoError, OSError) as error:
            # a warning: other symbols have their signal
            self.logger.warning(f"The champion file of {symbol} cannot be restored: {error}")

    def close(self) -> int:
        """Publish, set failed artefacts aside for the next try, and return the exit code."""
        failed = bool(self.errors.lines)
        failed |= self._publish_reports()
        if self.publishes:
            failed |= self._publish()
        failed |= bool(self._discard(reports_too=False))
        return int(failed)

    @property
    def _live(self) -> Path:
        return self.layout.live(self.candle)

    @property
    def _errors(self) -> Path:
        return self._live / "errors" / "-".join(sorted(self.locks))

    def _discard(self, *, reports_too: bool) -> list[str]:
        """Make what failed stale again, of the roles that this run holds; return the failures."""
        failures = []
        if "signal" in self.locks:
            failures += discard_live(self._live, reports_too=reports_too)
        if "fetch" in self.locks:
            failures += discard_history(self.layout, self.candle, reports_too=reports_too)
        if "retrain" in self.locks:
            failures += discard_history(self.layout, self.cutoff, reports_too=reports_too)
            discard_unusable_training(self.layout, self.cutoff, self.settings["symbols"])
        return failures

    def _publish_reports(self) -> bool:
        """Copy what the evaluation made of each symbol, but where it could make nothing.

        Then an earlier report stays. Returns True where that was asked for by itself.
        """
        skipped = {}
        for made in self.copies:
            record = read_json(made) if made.suffix == ".json" else {}
            if isinstance(reason := record.get("skipped"), str):
                skipped[made.with_suffix("")] = f"{record.get('symbol', '')}: {reason}"
        for made, published in self.copies.items():
            if made.with_suffix("") not in skipped and made.is_file():
                atomic.write_bytes(published, made.read_bytes())
        for made, reason in skipped.items():
            log = self.logger.error if made in self.asked else self.logger.warning
            log(f"no {made.name}: {reason}")
        return not self.asked.isdisjoint(skipped)

    def _publish(self) -> bool:
        """Journal and publish every symbol's signal, or a NO_TRADE that names the failure.

        The journal comes first: what other programs can read can also be traced. Returns True
        on failure.
        """
        reason = self._reason() if self.errors.lines else None
        documents, failed = {}, False
        for symbol in self.settings["symbols"]:
            try:
                if reason is not None:
                    raise BotCriptoError(reason)
                documents[symbol] = json.loads(self._signal_file(symbol).read_bytes())
            except (OSError, ValueError, BotCriptoError) as error:
                failed = True
                documents[symbol] = self._no_trade(symbol, str(error))
        try:
            newer = self._journal(documents)
            if newer is not None:
                self.logger.warning(
                    f"not published: {iso(newer)} is journalled, which is newer than this run's "
                    f"candle, {iso(parse_candle_id(self.candle))}"
                )
                return failed or clock.as_of_ms() is None
        except BotCriptoError as error:
            self.logger.error(f"the journal cannot be written: {error}")
            failed = True
            problem = f"journal: {error}"
            documents = {symbol: self._no_trade(symbol, problem) for symbol in documents}
        try:
            first = self.settings["symbols"][0]
            for done in publish(documents, self.layout.logs, first, clock.system_ms()):
                if done.action == SKIPPED:
                    self.logger.warning(f"{done.path} not published: {done.reason}")
                    failed |= clock.as_of_ms() is None
        except (OSError, BotCriptoError) as error:
            self.logger.error(f"publishing failed: {error}")
            failed = True
        return failed

    def _signal_file(self, symbol: str, kind: str = "") -> Path:
        return self._live / "signals" / f"{symbol_to_path(symbol)}{kind}.json"

    def _no_trade(self, symbol: str, reason: str) -> dict[str, Any]:
        now = clock.now_ms()
        return no_trade(self.settings, symbol, reason, now, self.candle, self.provenance)

    def _journal(self, documents: dict[str, Any]) -> int | None:
        """Write the signals into the journal, with the revisions that they have there.

        Where a newer candle is journalled (this run is as of an earlier moment) nothing is
        written, and the close of that candle is returned.
        """
        with Journal.open(self.layout.journal) as journal:
            newest = journal.newest_candle_ms()
            if newest is not None and parse_candle_id(self.candle) < newest <= clock.system_ms():
                return newest
            for symbol, document in documents.items():
                documents[symbol] = journal.revised(document)
                journal.append(documents[symbol], self._risk_state(symbol, document))
        return None

    def _risk_state(self, symbol: str, document: dict[str, Any]) -> dict[str, Any] | None:
        """Return the risk state that the signal names by its hash."""
        if document["version"]["risk_state_sha256"] is None:
            return None
        state: dict[str, Any] = json.loads(self._signal_file(symbol, ".risk").read_bytes())
        return state

    def _reason(self) -> str:
        """Return which step failed and why: the job's own words, else the workflow's."""
        said = []
        for path in sorted(self._errors.glob("*.json"), key=lambda p: p.stat().st_mtime):
            try:
                record = json.loads(path.read_bytes())
                said.append(f"{record['step']}: {record['error']}")
            except (OSError, ValueError, KeyError):
                said.append(f"{path.stem}: failed")
        return said[0] if said else f"workflow: {self.errors.lines[0][:500]}"
