"""Finding a signal of the past, and what it was decided with: configuration and risk state."""

from __future__ import annotations

import json
import random
import re
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any

from bot_cripto.checkout import own_layout
from bot_cripto.config.load import FOLDERS
from bot_cripto.decision.risk_state import RiskState
from bot_cripto.errors import BotCriptoError, DataError, LedgerError
from bot_cripto.forecast import ModelUse
from bot_cripto.layout import Layout
from bot_cripto.ledger.journal import Journal
from bot_cripto.models.in_use import Subject
from bot_cripto.provenance import sha256_json
from bot_cripto.signals.document import Provenance
from bot_cripto.symbols import symbol_to_path
from bot_cripto.timeframes import candle_id, parse_iso

_ID = re.compile(r"[A-Z0-9_-]+-\d{8}T\d{6}Z-r\d+")


class MissingLinkError(BotCriptoError):
    """What a signal or a version was made of is gone, damaged or not known."""

    def __init__(self, link: str, problem: str) -> None:
        super().__init__(f"{link}: {problem}")
        self.link = link
        self.problem = problem


@dataclass(frozen=True)
class PastSignal:
    """A signal as it was published, and where the rest of its chain is looked for.

    Attributes
    ----------
    name : str
        As it was asked for: an id of the journal, or a path.
    content : bytes
        Exactly as it was published.
    document : dict
    here : dict
        The present effective settings; only their folders count.
    beside : Path or None
        The file that it was read from; None where it is from the journal.
    """

    name: str
    content: bytes
    document: dict[str, Any]
    here: dict[str, Any]
    beside: Path | None = None

    @cached_property
    def settings(self) -> dict[str, Any]:
        """The effective configuration that it was made with.

        Raises
        ------
        MissingLinkError
            It names none, or the stored one is gone or altered.
        """
        digest = self.document["version"]["config_sha256"]
        if digest is None:
            raise MissingLinkError(
                "configuration", "the signal names none; it was not made by a run of the workflow"
            )
        path = own_layout(self.here).configs / f"{digest}.json"
        try:
            settings: dict[str, Any] = json.loads(path.read_bytes())
        except FileNotFoundError:
            raise MissingLinkError("configuration", f"{path} is gone") from None
        except (OSError, ValueError) as error:
            raise MissingLinkError("configuration", f"{path} is damaged: {error}") from None
        if not isinstance(settings, dict) or sha256_json(settings) != digest:
            raise MissingLinkError("configuration", f"{path} was altered: its hash does not match")
        return settings | {name: self.here[name] for name in FOLDERS}

    @cached_property
    def layout(self) -> Layout:
        """Where its candles, models and journal lie: the present folders, its own market."""
        return own_layout(self.settings)

    @property
    def symbol(self) -> str:
        """The market that it is about."""
        return str(self.document["symbol"])

    @property
    def subject(self) -> Subject:
        """What its models had to be about."""
        return Subject.of(self.settings, self.symbol)

    @cached_property
    def close_ms(self) -> int:
        """Close of its candle, milliseconds since the epoch, UTC."""
        moment = self.document["candle_close_time"]
        if moment is None or self.document["symbol"] is None:
            raise MissingLinkError("candle", "the signal names no candle: it tells of a failure")
        return parse_iso(moment)

    @cached_property
    def made_ms(self) -> int:
        """When it was made, milliseconds since the epoch, UTC."""
        return parse_iso(self.document["ts"])

    @property
    def risk(self) -> RiskState | None:
        """The state of the portfolio that it was decided in; None where it was not known.

        Raises
        ------
        MissingLinkError
            It is in no journal and in no file, or of another form.
        """
        digest = self.document["version"]["risk_state_sha256"]
        if digest is None:
            return None
        values = _journalled_risk(self.layout, digest) or self._risk_file(digest)
        if values is None:
            raise MissingLinkError(
                "risk state", f"{digest} is neither in {self.layout.journal} nor beside the signal"
            )
        try:
            return RiskState.from_json(values)
        except DataError as error:
            raise MissingLinkError("risk state", f"another program wrote it: {error}") from None

    def _risk_file(self, digest: str) -> dict[str, Any] | None:
        """Return the risk state that lies beside the stamped signal, if it is that one."""
        name = f"{symbol_to_path(self.symbol)}.risk.json"
        folders = [self.layout.live(candle_id(self.close_ms)) / "signals"]
        if self.beside is not None:
            folders.append(self.beside.parent)
        for folder in folders:
            try:
                values = json.loads((folder / name).read_bytes())
            except (OSError, ValueError):
                continue  # the next place may have it
            if isinstance(values, dict) and sha256_json(values) == digest:
                return values
        return None


def _journalled_risk(layout: Layout, digest: str) -> dict[str, Any] | None:
    if not layout.journal.exists():
        return None
    with Journal.open(layout.journal, readonly=True) as journal:
        try:
            return journal.risk_state(digest)
        except LedgerError:
            raise
        except DataError:
            return None  # it is not in there


def find_signal(here: dict[str, Any], name: str) -> PastSignal:
    """Return a signal by its path or its id in the journal, e.g. BTC_USDT-20240906T044500Z-r0.

    Parameters
    ----------
    here : dict
        The present effective settings. Of the journals, that of their market comes first.
    name : str

    Raises
    ------
    DataError
        There is no such signal, or it is none.
    """
    path = Path(name)
    if not path.exists() and _ID.fullmatch(name):
        own = own_layout(here).journal
        others = sorted(own.parent.glob("*.db")) if own.parent.is_dir() else []
        for journal_file in dict.fromkeys([own, *others]):
            if not journal_file.exists():
                continue
            with Journal.open(journal_file, readonly=True) as journal:
                if name in journal:
                    content = journal.entry(name)
                    return PastSignal(name, content, json.loads(content), here)
        raise DataError(f"{name}: there is no such signal in {own.parent}")
    try:
        content = path.read_bytes()
        document = json.loads(content)
        known = _is_signal(document)
    except FileNotFoundError:
        raise DataError(
            f"{name}: is neither a file nor the id of a signal (SYMBOL-CANDLE-rN)"
        ) from None
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise DataError(f"{name}: is no signal that can be replayed ({error!r})") from None
    if not known:
        raise DataError(f"{name}: is no signal")
    return PastSignal(name, content, document, here, path)


def _is_signal(document: dict[str, Any]) -> bool:
    """Whether a document has the form of a signal as far as replay and lineage rely on it.

    KeyError, TypeError, ValueError or AttributeError where it has not.
    """
    version, candle = document["version"], document["candle_close_time"]
    parse_iso(document["ts"])
    if candle is not None:
        parse_iso(candle)
    uses = [ModelUse(**use) for use in version["models"].values() if use is not None]
    hashes = [version[field.name] for field in fields(Provenance)]
    texts = [document["reason"], *(use.version for use in uses), *(use.sha256 for use in uses)]
    return (
        {"symbol", "source", "timeframe", "decision"} <= set(document)
        and type(document["revision"]) is int
        and all(isinstance(text, str) for text in texts)
        and all(value is None or isinstance(value, str) for value in hashes)
        and all({"name", "value"} <= set(gate) for gate in document["gates"])
    )


def journalled(here: dict[str, Any], count: int | None = None, seed: int = 0) -> list[str]:
    """Return the ids of the journal's signals in their order; `count` of them at random.

    Raises
    ------
    DataError
        There is no journal yet.
    """
    path = own_layout(here).journal
    if not path.exists():
        raise DataError(f"{path}: there is no journal yet; run: snakemake signal")
    with Journal.open(path, readonly=True) as journal:
        names = journal.ids()
    if count is None or count >= len(names):
        return names
    chosen = set(random.Random(seed).sample(range(len(names)), count))  # noqa: S311 - no secret
    return [name for at, name in enumerate(names) if at in chosen]
