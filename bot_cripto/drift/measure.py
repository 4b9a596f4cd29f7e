"""One measurement of drift for a symbol: what is read, what is asked, what is said."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bot_cripto import clock
from bot_cripto.drift.check import PARTS, Check, level, status_of, too_little
from bot_cripto.drift.forecasts import Probabilities, check_calibration, check_distribution
from bot_cripto.drift.history import DRIFT
from bot_cripto.drift.inputs import check_inputs
from bot_cripto.drift.performance import check_relative_drop, check_sequential
from bot_cripto.drift.sentences import sentence
from bot_cripto.errors import ModelError
from bot_cripto.execution.performance import (
    DRIFT_RECENT,
    DRIFT_REFERENCE,
    performance_history,
)
from bot_cripto.execution.prices import store_closes
from bot_cripto.features import catalogue
from bot_cripto.labels import forward_return
from bot_cripto.ledger.journal import Journal
from bot_cripto.market.candles import Candles
from bot_cripto.market.gaps import to_grid
from bot_cripto.market.store import CandleStore
from bot_cripto.models import apply
from bot_cripto.models.champion import read_champion
from bot_cripto.models.forecast import Loaded, Subject, load_champion
from bot_cripto.reach import REACH
from bot_cripto.timeframes import DAY_MS, iso, parse_iso, timeframe_ms

if TYPE_CHECKING:
    from bot_cripto.layout import Layout

Settings = Mapping[str, Any]
FORECASTS = PARTS["forecasts"]


@dataclass(frozen=True)
class Moment:
    """When is measured, and what counts as the last days.

    Attributes
    ----------
    until_ms : int
        Close of the last candle, milliseconds since the epoch, UTC.
    recent_ms, step_ms : int
        Length of the last days and of a candle.
    horizon : int
        Candles that a forecast looks ahead.
    alpha : float
        Level of each check.
    """

    until_ms: int
    recent_ms: int
    step_ms: int
    horizon: int
    alpha: float


@dataclass(frozen=True)
class Learnt:
    """What the models in use learnt from.

    Attributes
    ----------
    model : Model
        The trend model, or the baseline that stands in for it.
    since_ms, until_ms : int
        Open time of the first training row; the cutoff.
    holdout_ms : int
        Open time of the first row that training had left out; the cutoff where it left out none.
    """

    model: apply.Model
    since_ms: int
    until_ms: int
    holdout_ms: int


def measure(layout: Layout, settings: Settings, symbol: str, until_ms: int) -> dict[str, Any]:
    """Return the drift of a symbol as of a candle's close.

    Reads the candle store, the journal and the models in use; fetches and writes nothing.

    Parameters
    ----------
    layout : Layout
    settings : mapping
        The effective settings; `drift`, market, timeframe, horizon, costs and fill_candles count.
    symbol : str
    until_ms : int
        Close of the last candle, milliseconds since the epoch, UTC.

    Returns
    -------
    dict
        As `bot_cripto/drift/report/drift.schema.json` describes it.

    Raises
    ------
    DataError, LedgerError
        The candle store or the journal is damaged.
    """
    asked = settings["drift"]
    moment = Moment(
        until_ms,
        round(asked["recent_days"] * DAY_MS),
        timeframe_ms(settings["timeframe"]),
        settings["horizon_steps"],
        level(asked["false_alarm_rate"]),
    )
    loaded, why = _models(layout, settings, symbol)
    if loaded is None:
        nothing = sentence("no_champion", reason=why)
        checks = [too_little(name, nothing) for name in ("features", *FORECASTS)]
    else:
        checks = _of_models(layout, settings, symbol, loaded, moment)
    checks += _of_results(layout, settings, symbol, moment)
    parts = [
        {
            "name": part,
            "status": status_of(c.status for c in checks if c.name in names),
            "checks": [c.as_json() for c in checks if c.name in names],
        }
        for part, names in PARTS.items()
    ]
    uses = {} if loaded is None else {k: u.version for k, u in loaded.uses.items()}
    return {
        "symbol": symbol,
        "timeframe": settings["timeframe"],
        "horizon_steps": settings["horizon_steps"],
        "source_name": settings["source_name"],
        "market": settings["market"],
        "candle_close_time": iso(until_ms),
        "made": iso(clock.now_ms()),
        "recent_days": asked["recent_days"],
        "false_alarm_rate": asked["false_alarm_rate"],
        "models": uses,
        "status": status_of(check.status for check in checks),
        "parts": parts,
    }


def found_in(result: Mapping[str, Any]) -> list[str]:
    """Return the names of the checks of a measurement that found drift."""
    checks = [check for part in result["parts"] for check in part["checks"]]
    return [check["name"] for check in checks if check["status"] == DRIFT]


def check_rows(
    candles: Candles, features: np.ndarray[Any, Any], learnt: Learnt, moment: Moment
) -> list[Check]:
    """Return the checks of inputs and forecasts, of candles on the full grid and their features.

    Parameters
    ----------
    candles : Candles of length n
        From the first training row or before, to the last closed candle.
    features : ndarray of shape (n, n_features), float32
    learnt : Learnt
    moment : Moment
    """
    usable = np.isfinite(features).all(axis=1) & ~candles.filled
    usable &= candles.open_time >= learnt.since_ms
    times, rows = candles.open_time[usable], features[usable]
    inputs = check_inputs(
        times,
        rows,
        catalogue.FEATURE_NAMES,
        trained_until_ms=learnt.until_ms,
        until_ms=moment.until_ms,
        recent_ms=moment.recent_ms,
        step_ms=moment.step_ms,
        alpha=moment.alpha,
    )
    if learnt.model.kind != "trend":
        return [inputs, *(too_little(name, sentence("baseline")) for name in FORECASTS)]
    forecast = Probabilities(
        times,
        apply.predict(learnt.model, rows)["prob_up"],
        forward_return(candles.close, moment.horizon)[usable],
    )
    # no row whose horizon reaches beyond the cutoff is in the holdout
    gap = moment.horizon * moment.step_ms
    holdout = forecast.between(learnt.holdout_ms, learnt.until_ms - gap)
    since = max(learnt.until_ms, moment.until_ms - moment.recent_ms)
    recent = forecast.between(since, moment.until_ms)
    past = forecast.between(learnt.since_ms, learnt.holdout_ms - gap)
    distribution = check_distribution(
        past,
        holdout,
        recent,
        horizon=moment.horizon,
        step_ms=moment.step_ms,
        alpha=moment.alpha,
    )
    calibration = check_calibration(holdout, recent, horizon=moment.horizon, alpha=moment.alpha)
    return [inputs, distribution, calibration]


def check_results(rows: list[dict[str, Any]], moment: Moment) -> list[Check]:
    """Return the checks of the outcomes of past signals, in the order of time."""
    return [
        check_sequential(
            rows,
            horizon=moment.horizon,
            step_ms=moment.step_ms,
            until_ms=moment.until_ms,
            recent_ms=moment.recent_ms,
            alpha=moment.alpha,
        ),
        check_relative_drop(
            [row["metric"] for row in rows],
            recent=DRIFT_RECENT,
            reference=DRIFT_REFERENCE,
            horizon=moment.horizon,
            alpha=moment.alpha,
        ),
    ]


def learnt_by(model: apply.Model) -> Learnt:
    """Return what a model of a version learnt from, by its metadata.

    Raises
    ------
    ModelError
        The metadata does not say.
    """
    try:
        parts = model.metadata["parts"]
        first = min(parse_iso(part["first_candle"]) for part in parts.values())
        cutoff = parse_iso(model.metadata["cutoff"])
        holdout = parse_iso(parts["holdout"]["first_candle"]) if "holdout" in parts else cutoff
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(f"the {model.kind} model does not say what it learnt from") from error
    return Learnt(model, first, cutoff, holdout)


def _models(layout: Layout, settings: Settings, symbol: str) -> tuple[Loaded | None, str]:
    try:
        champion = read_champion(layout.models, symbol)
        return load_champion(layout.models, champion, Subject.of(settings, symbol)), ""
    except ModelError as error:
        return None, str(error)


def _of_models(
    layout: Layout, settings: Settings, symbol: str, loaded: Loaded, moment: Moment
) -> list[Check]:
    """Return the checks of inputs and forecasts."""
    learnt = learnt_by(loaded.models["trend"])
    since = learnt.since_ms - REACH * moment.step_ms
    store = CandleStore(layout.store, settings["market"], settings["timeframe"])
    fill = settings["fill_candles"]
    stored = store.read(symbol, since - fill * moment.step_ms, moment.until_ms)
    if not len(stored) or stored.open_time[0] >= learnt.until_ms:
        nothing = sentence("no_history")
        return [too_little(name, nothing) for name in ("features", *FORECASTS)]
    since = max(since, int(stored.open_time[0]))
    candles = to_grid(stored, settings["timeframe"], since, moment.until_ms, fill)
    return check_rows(candles, catalogue.compute(candles, settings["timeframe"]), learnt, moment)


def _of_results(layout: Layout, settings: Settings, symbol: str, moment: Moment) -> list[Check]:
    """Return the checks of what came of the signals in the journal."""
    try:
        journal = Journal.open(layout.journal, readonly=True)
    except FileNotFoundError:
        nothing = sentence("no_journal")
        return [too_little(name, nothing) for name in PARTS["performance"]]
    since = moment.until_ms - round(settings["drift"]["performance_days"] * DAY_MS)
    with journal:
        documents = journal.since(symbol, since, moment.until_ms + 1)
    most = len(documents) + 1
    closes = store_closes(layout, settings)
    found = performance_history(documents, closes, symbol, settings, moment.until_ms, most)
    return check_results(found.rows, moment)
