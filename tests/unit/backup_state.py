"""A state to back up: ledgers with an open position, journal, champion, MLflow, switches."""

import hashlib
import json
import sqlite3
import sys
from contextlib import closing
from decimal import Decimal as D
from pathlib import Path

from bot_cripto import atomic
from bot_cripto.forecast import ModelUse
from bot_cripto.layout import Layout
from bot_cripto.ledger import control
from bot_cripto.ledger.events import (
    BUY,
    OPEN,
    Fill,
    Intent,
    Mark,
    intent_id,
    paper_fill_id,
)
from bot_cripto.ledger.journal import Journal
from bot_cripto.ledger.store import Ledger
from bot_cripto.models.bad_marks import bad_path
from bot_cripto.models.champion_change import promote
from bot_cripto.models.version import content_sha256, folder
from bot_cripto.timeframes import iso

SYMBOL = "BTC/USDT"
START = 1_725_597_900_000
STEP = 300_000


def layout(state: Path, key="binance-5m") -> Layout:
    return Layout(Path("data"), Path("models"), Path("logs"), Path("locks"), key).below(state)


def document(close_ms):
    return {
        "ts": iso(close_ms + 1000),
        "candle_close_time": iso(close_ms),
        "symbol": SYMBOL,
        "source": "binance",
        "timeframe": "5m",
        "revision": 0,
        "decision": "LONG",
    }


def trade(journal, ledger, close_ms):
    """Journal a signal and enter on it, as a run does: the signal first."""
    journal.append(document(close_ms))
    name = intent_id(SYMBOL, close_ms, OPEN)
    intent = Intent(
        name, SYMBOL, close_ms, 0, OPEN, BUY, D("0.1"), "signal", close_ms + 2000, close_ms,
        D("56000"), stop_distance=0.01, exit_ms=close_ms + 5 * STEP,
    )  # fmt: skip
    fill = Fill(
        paper_fill_id(name, close_ms, "signal"), name, SYMBOL, BUY, D("0.1"), D("56001.5"),
        D("5.60015"), "USDT", close_ms, "signal",
    )  # fmt: skip
    with ledger.transaction():
        ledger.add(intent)
        ledger.add(fill)
        ledger.add(Mark(close_ms + STEP, D("9994.4"), D("4394.25"), D("5600.15")))


def version(models: Path, stamp: str) -> ModelUse:
    """Write a version that `load_version` finds sound."""
    content = b'{"some": "rows"}'
    metadata = {
        "schema_version": 1,
        "kind": "baseline",
        "stamp": stamp,
        "files": {"reference.json": hashlib.sha256(content).hexdigest()},
    }
    metadata["content_sha256"] = sha256 = content_sha256(metadata)
    path = folder(models, "baseline", SYMBOL) / f"{stamp}-{sha256[:10]}"
    atomic.write_bytes(path / "reference.json", content)
    atomic.write_json(path / "metadata.json", metadata)
    return ModelUse(path.name, sha256, None)


def build(at: Layout, root: Path) -> None:
    """Fill a state, and a checkout with its configuration."""
    for account in ("paper", "live"):
        with Journal.open(at.journal) as journal, Ledger.open(at.ledger(account)) as ledger:
            trade(journal, ledger, START)
    other = layout(at.locks.parent, "simulated-7-0-0-1h")
    with Journal.open(other.journal) as journal, Ledger.open(other.ledger("paper")) as ledger:
        trade(journal, ledger, START)
    with closing(sqlite3.connect(at.mlflow_db)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("CREATE TABLE runs (name TEXT)")
        connection.execute("INSERT INTO runs VALUES ('first')")
        connection.commit()
    atomic.write_text(at.mlflow_artifacts / "1" / "model" / "page.txt", "an artefact")
    for number in (1, 2):
        promote(
            at.models,
            SYMBOL,
            {"baseline": version(at.models, f"2024090{number}T000000Z")},
            source="binance",
            timeframe="5m",
            horizon_steps=5,
            provisional=False,
            reason=f"number {number}",
            promoted_at_ms=START + number,
        )
    version(at.models, "20240903T000000Z")  # no champion names it
    atomic.write_text(bad_path(at.models, SYMBOL), "{}\n")
    control.pause(at.control, "ana", "lunch", START)
    atomic.write_json(at.configs / f"{'cd' * 32}.json", {"prob_min": 0.6})
    atomic.write_json(at.risk_state(SYMBOL), {"old": True})
    atomic.write_text(root / "config" / "config.yaml", "prob_min: 0.61\n")


def content(at: Layout) -> dict[str, object]:
    """Return what a state says, whatever its folders and the bytes of its databases."""
    found: dict[str, object] = {}
    for path in sorted(at.journal.parent.glob("*.db")):
        with Journal.open(path, readonly=True) as journal:
            found[f"journal/{path.name}"] = journal.since(SYMBOL, 0, 2**60)
    for path in sorted(at.ledger("live").parent.glob("*.db")):
        with Ledger.open(path, readonly=True) as ledger:
            assert ledger.check() == []
            found[f"ledger/{path.name}"] = (ledger.intents(), ledger.fills(), ledger.marks())
            found[f"restored/{path.name}"] = len(ledger.actions("restored"))
    if at.mlflow_db.exists():
        with closing(sqlite3.connect(f"file:{at.mlflow_db}?mode=ro", uri=True)) as connection:
            found["mlflow"] = connection.execute("SELECT * FROM runs").fetchall()
    for area, where in {"logs": at.mlflow_artifacts, "models": at.models, "switches": at.control,
                        "configs": at.configs}.items():  # fmt: skip
        for path in sorted(where.rglob("*")):
            name = path.relative_to(where)
            if path.is_file() and path.suffix != ".lock" and "before-restore" not in str(name):
                found[f"{area}/{name}"] = path.read_bytes()
    found["derived"] = sorted(p.name for p in at.logs.glob("risk_state_*.json"))
    return found


if __name__ == "__main__":  # a bot at work
    here = layout(Path(json.loads(sys.argv[1])))
    with Journal.open(here.journal) as journal, Ledger.open(here.ledger("paper")) as ledger:
        close = START
        while True:
            close += STEP
            trade(journal, ledger, close)
            print(close, flush=True)
