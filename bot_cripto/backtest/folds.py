"""The folds of a walk-forward as one track: each candle with the forecast of its fold's models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from bot_cripto.backtest.track import Track, assemble, forecasts_of
from bot_cripto.forecast import Forecast, ModelUse
from bot_cripto.models import apply
from bot_cripto.models.dissimilarity import read_dissimilarity
from bot_cripto.models.forecast import Loaded
from bot_cripto.models.snapshot import Snapshot
from bot_cripto.models.training_range import training_range
from bot_cripto.models.walk_forward import FoldForecast
from bot_cripto.timeframes import timeframe_ms


def fold_bounds(results: Sequence[FoldForecast]) -> list[tuple[int, int]]:
    """Return the rows of the snapshot that each fold speaks for; together they have no gap.

    Rows between the last one of a fold and the first of the next, whose features are not whole,
    belong to the earlier.
    """
    starts = [int(result.index[0]) for result in results]
    stops = [*starts[1:], int(results[-1].index[-1]) + 1]
    return list(zip(starts, stops, strict=True))


def fold_models(result: FoldForecast, names: tuple[str, ...]) -> Loaded:
    """Return the models of a fold as they would be in use."""
    trained = result.trained
    name = f"fold-{result.fold.number}"
    return Loaded(
        {kind: apply.make_model(kind, t.metadata, t.files) for kind, t in trained.items()},
        {kind: ModelUse(name, "0" * 64, None) for kind in trained},
        (),
        training_range(names, (model.files for model in trained.values())),
        dissimilarity=read_dissimilarity(trained["trend"].files) if "trend" in trained else None,
    )


def fold_track(
    symbol: str,
    snapshot: Snapshot,
    results: Sequence[FoldForecast],
    settings: Mapping[str, Any],
) -> Track:
    """Return the track over the candles of all folds.

    Parameters
    ----------
    symbol : str
    snapshot : Snapshot
    results : sequence of FoldForecast
        In the order of time; every fold trained on what was before it.
    settings : mapping
        The effective settings.

    Notes
    -----
    The models of a fold count as trained at each candle anew, so that the gate ``model_age``
    passes: where the bot runs they are, every day.
    """
    step = timeframe_ms(snapshot.timeframe)
    bounds = fold_bounds(results)
    first, last = bounds[0][0], bounds[-1][1]
    made: list[Forecast | None] = []
    for result, (start, stop) in zip(results, bounds, strict=True):
        loaded = fold_models(result, snapshot.names)
        made += forecasts_of(loaded, snapshot.features[start:stop], settings["model_risk_vol_ref"])
    closes = (snapshot.candles.open_time[first:last] + step).tolist()
    return assemble(
        symbol,
        snapshot.candles[:last],
        first,
        snapshot.features[first:last],
        settings,
        as_if_fresh(made, closes),
    )


def as_if_fresh(made: Sequence[Forecast | None], closes: Sequence[int]) -> list[Forecast | None]:
    """Return the forecasts as of models that were trained until the close of each candle.

    Parameters
    ----------
    made : sequence of Forecast or None, of length n
    closes : sequence of int, of length n
        Milliseconds since the epoch, UTC.
    """
    return [
        None if forecast is None else replace(forecast, trained_until_ms=close)
        for forecast, close in zip(made, closes, strict=True)
    ]
