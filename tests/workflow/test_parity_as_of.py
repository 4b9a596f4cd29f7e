"""Real runs of Snakemake as of past moments, held against a walk over the same candles."""

from __future__ import annotations

import json
import random

from laboratory import NOW, STEP, Lab, later, layout_of, track_of

from bot_cripto.backtest.walk import Walk
from bot_cripto.execution.book import Book
from bot_cripto.layout import Layout
from bot_cripto.ledger.journal import Journal
from bot_cripto.market.download import download
from bot_cripto.market.live_window import window_start
from bot_cripto.models.champion import read_champion
from bot_cripto.models.champion_change import promote
from bot_cripto.timeframes import candle_id, parse_iso

SYMBOL = "BTC/USDT"
CANDLES = 60
SINCE = parse_iso(NOW) // STEP * STEP
UNTIL = SINCE + CANDLES * STEP


def judged(layout: Layout) -> None:
    """Let the champion count as judged: a walk knows nothing of provisional ones."""
    champion = read_champion(layout.models, SYMBOL)
    about = {name: getattr(champion, name) for name in ("source", "timeframe", "horizon_steps")}
    promote(
        layout.models,
        SYMBOL,
        champion.kinds,
        **about,
        provisional=False,
        reason="judged",
        promoted_at_ms=SINCE,
    )


def walked(layout: Layout, settings: dict) -> dict[int, dict]:
    """Walk five hours beyond NOW on the ledger of the state; return and journal the documents."""
    download(layout, settings, window_start(SINCE, "5m"), UNTIL)
    documents: dict[int, dict] = {}
    with (
        Book.open(layout.ledger("paper"), settings) as book,
        Journal.open(layout.journal) as journal,
    ):
        track = track_of(layout, settings, SINCE, UNTIL)
        Walk([track], book, settings, SINCE).run(
            lambda close, rulings, made: documents.update({close: made[SYMBOL]})
        )
        for document in documents.values():
            journal.append(document)
    return documents


def some_of_each(documents: dict[int, dict]) -> list[int]:
    """Return random closes: entries wished for, positions held, and any."""
    closes = sorted(documents)[:-1]
    random.Random(4).shuffle(closes)
    exposed = {
        close: next(g["value"] for g in documents[close]["gates"] if g["name"] == "symbol_exposure")
        for close in closes
    }
    wished = [close for close in closes if documents[close]["decision"] != "NO_TRADE"][:2]
    held = [close for close in closes if exposed[close] > 0 and close not in wished][:2]
    found = [*wished, *held]
    assert len(found) == 4, "the walk neither traded nor held: choose another stretch"
    return [*found, *[close for close in closes if close not in found][:2]]


def test_past_candles_are_decided_as_a_walk_decides_them(trading_lab: Lab, monkeypatch) -> None:
    layout, settings = layout_of(trading_lab)
    judged(layout)
    monkeypatch.setenv("BOT_CRIPTO_NOW", later(CANDLES))
    documents = walked(layout, settings)
    files = [layout.ledger("paper"), layout.journal, layout.logs / "signal.json"]
    before = [path.read_bytes() for path in files]
    for close in some_of_each(documents):
        ran = trading_lab.run(now=later((close - SINCE) // STEP))
        assert ran.code == 0 and "make_signals" in ran.rules, ran.output
        folder = layout.live(candle_id(close))
        live = json.loads((folder / "signals" / "BTC_USDT.json").read_bytes())
        document = json.loads(json.dumps(documents[close]))
        for name in document.keys() - {"ts", "version", "revision"}:
            assert live[name] == document[name], (close, name)
        for name in ("risk_state_sha256", "models"):
            assert live["version"][name] == document["version"][name], (close, name)
    assert [path.read_bytes() for path in files] == before, "a past moment is only looked at"
