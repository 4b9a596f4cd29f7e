"""Where every kind of file lies, below the state folder."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bot_cripto.symbols import symbol_to_path


@dataclass(frozen=True)
class Layout:
    """The folders of one state; what is made of candles is keyed by source and timeframe.

    Attributes
    ----------
    data, models, logs, locks : Path
        The four roots; relative ones count from the state folder.
    key : str
        ``<market>-<timeframe>``, so that made-up and real candles never mix.
    """

    data: Path
    models: Path
    logs: Path
    locks: Path
    key: str

    @classmethod
    def of(cls, settings: dict[str, Any]) -> Layout:
        """Return the layout that effective settings describe."""
        return cls(
            data=Path(settings["data_dir"] or "data"),
            models=Path(settings["models_dir"] or "models"),
            logs=Path(settings["logs_dir"] or "logs"),
            locks=Path("locks"),
            key=f"{settings['market']}-{settings['timeframe']}",
        )

    def to_json(self) -> str:
        """Return the layout as text, for another process."""
        return json.dumps({name: str(value) for name, value in vars(self).items()})

    @classmethod
    def from_json(cls, text: str) -> Layout:
        """Return the layout of `to_json`."""
        values = json.loads(text)
        key = values.pop("key")
        return cls(**{name: Path(value) for name, value in values.items()}, key=key)

    def below(self, state_dir: Path) -> Layout:
        """Return the layout with relative folders counted from the state folder."""
        roots = ("data", "models", "logs", "locks")
        return replace(self, **{name: state_dir / getattr(self, name) for name in roots})

    @property
    def store(self) -> Path:
        """The candle store of every source and timeframe."""
        return self.data / "candles"

    @property
    def configs(self) -> Path:
        """Effective configurations by their hash."""
        return self.data / "configs"

    def live(self, candle: str) -> Path:
        """The live artefacts of one candle (its id, or a wildcard)."""
        return self.data / "live" / self.key / candle

    def history(self, cutoff: str, symbol_path: str) -> Path:
        """What the download of a symbol's history up to a cutoff found."""
        return self.data / "history" / self.key / cutoff / f"{symbol_path}.json"

    def training(self, cutoff: str, symbol_path: str) -> Path:
        """The frozen snapshot of one symbol at a cutoff, and what was trained on it."""
        return self.data / "training" / self.key / cutoff / symbol_path

    @property
    def drift(self) -> Path:
        """The measurements of drift, a folder for each candle, and the retrain that one began."""
        return self.data / "drift" / self.key

    @property
    def journal(self) -> Path:
        """The append-only journal of published signals."""
        return self.logs / "journal" / f"{self.key}.db"

    def ledger(self, account: str) -> Path:
        """The append-only ledger of an account, ``paper`` or ``live``."""
        return self.logs / "ledger" / f"{self.key}-{account}.db"

    @property
    def control(self) -> Path:
        """The operator's switches: kill and pause."""
        return self.logs / "control"

    @property
    def outbox(self) -> Path:
        """Messages to people, sent and to be sent."""
        return self.logs / "outbox.db"

    def risk_state(self, symbol: str) -> Path:
        """The derived risk state of a symbol, for people."""
        return self.logs / f"risk_state_{symbol_to_path(symbol)}.json"

    def performance(self, symbol: str) -> Path:
        """The derived performance history of a symbol, for people and for drift."""
        return self.logs / f"performance_history_{symbol_to_path(symbol)}.json"

    @property
    def mlflow_db(self) -> Path:
        """The database of MLflow."""
        return self.logs / "mlflow.db"

    @property
    def mlflow_artifacts(self) -> Path:
        """The artefacts of MLflow."""
        return self.logs / "mlartifacts"

    def reports(self, symbol: str) -> Path:
        """The folder of what people read of a symbol: backtest, leak alarms."""
        return self.logs / "reports" / symbol_to_path(symbol)

    def report(self, symbol: str) -> Path:
        """The backtest of a symbol, out of sample."""
        return self.reports(symbol) / "backtest.json"
