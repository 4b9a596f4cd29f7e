"""A state of models without candles or runs: versions by day, and champions of them."""

from __future__ import annotations

from pathlib import Path

from model_market import cutoff, origin, reference_rows, trained

from bot_cripto.forecast import ModelUse
from bot_cripto.layout import Layout
from bot_cripto.models.champion import Champion
from bot_cripto.models.champion_change import promote
from bot_cripto.models.in_use import Subject
from bot_cripto.models.version import folder
from bot_cripto.models.version_writer import write_version

SYMBOL = "BTC/USDT"
SUBJECT = Subject(SYMBOL, "simulated", "5m", 3)
DAY = 86_400_000
SETTINGS = {
    "symbols": [SYMBOL],
    "source_name": "simulated",
    "timeframe": "5m",
    "horizon_steps": 3,
    "keep_versions": 2,
    "keep_champion_days": 10,
    "max_model_age_days": 30,
}


def layout(root: Path) -> Layout:
    return Layout(*(root / name for name in ("data", "models", "logs", "locks")), "simulated-5m")


def day(number: float) -> int:
    """Return that many days after the first cutoff, milliseconds since the epoch, UTC."""
    return cutoff() + int(number * DAY)


def use(at: Layout, number: int, kind: str = "baseline", **changes) -> ModelUse:
    """Write the version of a kind whose training ended on that day."""
    made = origin(cutoff_ms=day(number), **changes)
    version = write_version(at.models, trained(kind), made, reference_rows())
    return ModelUse(version.name, version.sha256, f"run-{kind}-{number}")


def put(at: Layout, kinds: dict[str, ModelUse], number: float, **changes) -> Champion:
    """Promote on that day."""
    facts = {**SUBJECT.about(), "provisional": False, "reason": f"on day {number}"}
    return promote(at.models, SYMBOL, kinds, promoted_at_ms=day(number), **facts | changes)


def path_of(at: Layout, kind: str, name: str) -> Path:
    return folder(at.models, kind, SYMBOL) / name
