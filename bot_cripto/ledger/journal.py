"""The journal: every signal that was published, in its exact bytes, each once for ever."""

from __future__ import annotations

import hashlib
import json
import zlib
from pathlib import Path
from typing import Any

from bot_cripto.atomic import json_text
from bot_cripto.errors import DataError, LedgerError
from bot_cripto.ledger.closing import Closing
from bot_cripto.ledger.records import Records, append_only
from bot_cripto.provenance import canonical_json, sha256_json
from bot_cripto.symbols import symbol_to_path
from bot_cripto.timeframes import candle_id, parse_iso

APPLICATION_ID = 0x4243524A
"""``BCRJ`` in the header of the file: Bot Cripto's journal."""

MIGRATIONS = (
    (
        1000,
        (
            """CREATE TABLE signals (number INTEGER PRIMARY KEY AUTOINCREMENT,
                signal_id TEXT NOT NULL UNIQUE, symbol TEXT NOT NULL, candle_ms INTEGER NOT NULL,
                revision INTEGER NOT NULL, decision TEXT, sha256 TEXT NOT NULL,
                content BLOB NOT NULL, chain TEXT NOT NULL)""",
            "CREATE UNIQUE INDEX signals_candle ON signals (symbol, candle_ms, revision)",
            "CREATE INDEX signals_newest ON signals (candle_ms)",
            *append_only("signals"),
        ),
    ),
    (
        1001,
        (
            """CREATE TABLE risk_states (number INTEGER PRIMARY KEY AUTOINCREMENT,
                sha256 TEXT NOT NULL UNIQUE, content BLOB NOT NULL, chain TEXT NOT NULL)""",
            *append_only("risk_states"),
        ),
    ),
)


def signal_id(document: dict[str, Any]) -> str:
    """Return the id of a signal, e.g. ``BTC_USDT-20240906T044500Z-r0``.

    Raises
    ------
    DataError
        The document names no symbol, candle or revision.
    """
    symbol, candle_ms, revision = _subject(document)
    return f"{symbol_to_path(symbol)}-{candle_id(candle_ms)}-r{revision}"


class Journal(Closing):
    """The journal of one source and timeframe, open; a context manager that closes it.

    Every method raises LedgerError where the file turns out to be damaged, and BusyError where
    another process kept writing.
    """

    def __init__(self, records: Records) -> None:
        self._records = records

    @classmethod
    def open(cls, path: Path | str, readonly: bool = False) -> Journal:
        """Return the journal at `path`, made or migrated if need be; see `database.connect`.

        Raises
        ------
        FileNotFoundError
            `readonly`, and there is none.
        LedgerError
            It is damaged, was changed afterwards, or is none.
        """
        return cls(Records(path, MIGRATIONS, APPLICATION_ID, readonly=readonly))

    def close(self) -> None:
        """Close the journal; may be called again."""
        self._records.close()

    def append(self, document: dict[str, Any], risk_state: dict[str, Any] | None = None) -> bool:
        """Write a signal; True if it is new, False if it is there, the same but for `ts`.

        Parameters
        ----------
        document : dict
            As it is published; its revision is 0 for the first of a candle, else one more than
            the newest, see `revised`.
        risk_state : dict, optional
            The risk state that it was decided in, kept by its hash.

        Raises
        ------
        DataError
            It names no symbol, candle or revision, is no JSON, its revision does not follow,
            another signal has its id, or the risk state is not the one that it names. Nothing
            was written.
        LedgerError
            The journal could not be written; nothing was.
        """
        name = signal_id(document)
        symbol, candle_ms, revision = _subject(document)
        try:
            content = json_text(document).encode()
        except ValueError as error:
            raise DataError(f"{name} cannot be journalled: {error}") from None
        with self._records.writing():
            present = self._contents("WHERE signal_id = ?", (name,))
            if present:
                if _told(present[0]) == _told(content):
                    return False
                raise DataError(f"{self._records.name}: {name} is there and says something else")
            newest = self._newest(symbol, candle_ms)
            expected = 0 if newest is None else newest["revision"] + 1
            if revision != expected:
                raise DataError(
                    f"{self._records.name}: {name} does not follow: the next revision of this "
                    f"candle is {expected}"
                )
            if risk_state is not None:
                self._keep(document, risk_state)
            self._records.append(
                "signals",
                {
                    "signal_id": name,
                    "symbol": symbol,
                    "candle_ms": candle_ms,
                    "revision": revision,
                    "decision": document.get("decision"),
                    "sha256": hashlib.sha256(content).hexdigest(),
                    "content": zlib.compress(content),
                },
            )
        return True

    def latest(self, symbol: str, until_ms: int | None = None) -> dict[str, Any] | None:
        """Return the newest revision of the newest candle of a symbol, or None.

        Candles that close after `until_ms` (milliseconds since the epoch, UTC) are left out.
        """
        found = self._documents(
            "WHERE symbol = ?1 AND (?2 IS NULL OR candle_ms <= ?2) "
            "ORDER BY candle_ms DESC, revision DESC LIMIT 1",
            (symbol, until_ms),
        )
        return found[0] if found else None

    def newest_candle_ms(self) -> int | None:
        """Return the close time of the newest candle of any symbol, or None."""
        ((newest,),) = self._records.rows("SELECT max(candle_ms) FROM signals")
        return None if newest is None else int(newest)

    def entry(self, signal_id: str) -> bytes:
        """Return a signal exactly as it was published.

        Raises
        ------
        DataError
            It is not in the journal.
        """
        found = self._contents("WHERE signal_id = ?", (signal_id,))
        if not found:
            raise DataError(f"{self._records.name}: there is no signal {signal_id}")
        return found[0]

    def ids(self) -> list[str]:
        """Return the ids of all signals in the order in which they were written."""
        return [
            str(name)
            for (name,) in self._records.rows("SELECT signal_id FROM signals ORDER BY number")
        ]

    def __contains__(self, signal_id: str) -> bool:
        """Return whether a signal of that id is there."""
        found = self._records.rows("SELECT 1 FROM signals WHERE signal_id = ?", (signal_id,))
        return bool(found)

    def risk_state(self, sha256: str) -> dict[str, Any]:
        """Return the risk state of that hash, which signals name in ``version``.

        Raises
        ------
        DataError
            It is not in the journal.
        """
        found = self._records.rows("SELECT content FROM risk_states WHERE sha256 = ?", (sha256,))
        if not found:
            raise DataError(f"{self._records.name}: there is no risk state {sha256}")
        state: dict[str, Any] = json.loads(self._inflated(sha256, found[0][0]))
        if sha256_json(state) != sha256:
            raise LedgerError(f"{self._records.name}: risk state {sha256} does not fit its sha256")
        return state

    def entries_after(self, rowid: int, limit: int) -> list[tuple[int, dict[str, Any]]]:
        """Return up to `limit` signals written after number `rowid`, each with its number."""
        rows = self._records.rows(
            "SELECT number, signal_id, sha256, content FROM signals WHERE number > ? "
            "ORDER BY number LIMIT ?",
            (rowid, limit),
        )
        return [(row[0], json.loads(self._content(*row[1:]))) for row in rows]

    def since(self, symbol: str, since_ms: int, until_ms: int) -> list[dict[str, Any]]:
        """Return the signals of a symbol, all revisions, by candle and revision.

        Parameters
        ----------
        symbol : str
        since_ms, until_ms : int
            Of candles with ``since_ms <= close time < until_ms``.
        """
        return self._documents(
            "WHERE symbol = ? AND candle_ms >= ? AND candle_ms < ? ORDER BY candle_ms, revision",
            (symbol, since_ms, until_ms),
        )

    def revised(self, document: dict[str, Any]) -> dict[str, Any]:
        """Return the document with its revision: 0, or one more than what it changes.

        A decision of a candle that is in the journal already is a revision of its newest one,
        unless it says the same apart from `ts`.

        Raises
        ------
        DataError
            The document names no symbol or candle.
        """
        document = document | {"revision": 0}
        symbol, candle_ms, _ = _subject(document)
        newest = self._newest(symbol, candle_ms)
        if newest is None:
            return document
        differs = _told(json_text(newest | {"revision": 0}).encode()) != _told(
            json_text(document).encode()
        )
        return document | {"revision": newest["revision"] + differs}

    def check(self) -> list[str]:
        """Return everything that is wrong with the journal, as sentences; empty when sound."""
        found = self._records.check()
        if found:
            return found
        for (name,) in self._records.rows("SELECT signal_id FROM signals ORDER BY number"):
            try:
                self.entry(name)
            except DataError as error:
                found.append(str(error))
        return found

    def _newest(self, symbol: str, candle_ms: int) -> dict[str, Any] | None:
        found = self._documents(
            "WHERE symbol = ? AND candle_ms = ? ORDER BY revision DESC LIMIT 1",
            (symbol, candle_ms),
        )
        return found[0] if found else None

    def _documents(self, where: str, parameters: tuple[Any, ...]) -> list[dict[str, Any]]:
        return [json.loads(content) for content in self._contents(where, parameters)]

    def _contents(self, where: str, parameters: tuple[Any, ...]) -> list[bytes]:
        rows = self._records.rows(
            f"SELECT signal_id, sha256, content FROM signals {where}",  # noqa: S608 - constants
            parameters,
        )
        return [self._content(*row) for row in rows]

    def _keep(self, document: dict[str, Any], risk_state: dict[str, Any]) -> None:
        digest = sha256_json(risk_state)
        if document["version"].get("risk_state_sha256") != digest:
            raise DataError(f"{signal_id(document)} names another risk state than {digest}")
        if not self._records.rows("SELECT 1 FROM risk_states WHERE sha256 = ?", (digest,)):
            content = zlib.compress(canonical_json(risk_state).encode())
            self._records.append("risk_states", {"sha256": digest, "content": content})

    def _inflated(self, name: str, stored: bytes) -> bytes:
        try:
            return zlib.decompress(stored)
        except (zlib.error, TypeError) as error:
            raise LedgerError(f"{self._records.name}: {name} is damaged: {error}") from None

    def _content(self, name: str, sha256: str, stored: bytes) -> bytes:
        content = self._inflated(name, stored)
        if hashlib.sha256(content).hexdigest() != sha256:
            raise LedgerError(f"{self._records.name}: {name} does not fit its sha256")
        return content


def _told(content: bytes) -> dict[str, Any]:
    """Return what a signal says, whenever it was made."""
    return {**json.loads(content), "ts": None}


def _subject(document: dict[str, Any]) -> tuple[str, int, int]:
    """Return symbol, close time of the candle and revision of a document."""
    symbol, candle, revision = (
        document.get(key) for key in ("symbol", "candle_close_time", "revision")
    )
    if not isinstance(symbol, str) or not isinstance(candle, str) or type(revision) is not int:
        raise DataError(
            f"a signal of symbol {symbol}, candle {candle}, revision {revision} cannot be "
            "journalled: it must have all three"
        )
    try:
        return symbol, parse_iso(candle), revision
    except ValueError:
        raise DataError(f"candle_close_time of a signal is {candle!r}, which is no time") from None
