"""Walk-forward: forecasts of rows by models that were trained on the past alone."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from bot_cripto.errors import ModelError
from bot_cripto.models import apply
from bot_cripto.models.settings import TrainingSettings
from bot_cripto.models.snapshot import TrainingData
from bot_cripto.models.trained import TrainedModel
from bot_cripto.models.training import TRAINERS, prepare

Window = Literal["expanding", "rolling"]
EXPANDING: Window = "expanding"


@dataclass(frozen=True)
class Fold:
    """Rows of one fold.

    Attributes
    ----------
    number : int
        From 0.
    train_start, train_stop : int
        Training, early stopping and calibration use the rows from the first to before the last.
    start, stop : int
        The rows that are forecast.
    """

    number: int
    train_start: int
    train_stop: int
    start: int
    stop: int


@dataclass(frozen=True, eq=False)
class FoldForecast:
    """Out-of-sample forecasts of one fold.

    Attributes
    ----------
    fold : Fold
    index : ndarray of shape (m,), int64
        Rows of the snapshot that are forecast, in the order of time.
    forecasts : dict of str to ndarray of shape (m,)
        Columns as `bot_cripto.models.apply.COLUMNS` names them.
    trained : dict of str to TrainedModel
        The models that made them, by kind.
    """

    fold: Fold
    index: NDArray[np.int64]
    forecasts: apply.Columns
    trained: dict[str, TrainedModel]


def make_folds(
    data: TrainingData,
    folds: int,
    settings: TrainingSettings,
    window: Window = EXPANDING,
    *,
    first_train_fraction: float = 0.4,
) -> list[Fold]:
    """Return the folds: training windows, each followed by rows to forecast.

    Parameters
    ----------
    data : TrainingData
    folds : int
        How many, at least 1.
    settings : TrainingSettings
        The horizon plus the embargo is left out between training and forecast rows, so that no
        training label reaches into the forecast rows.
    window : {"expanding", "rolling"}
        Whether a training window begins with the first row, or has the length of the first one.
    first_train_fraction : float
        Share of the rows before the first forecast row.

    Raises
    ------
    ModelError
        The rows are too few for that many folds.
    """
    n = len(data)
    edges = np.round(np.linspace(first_train_fraction * n, n, folds + 1)).astype(int).tolist()
    gap = settings.horizon_steps + settings.embargo_steps
    result: list[Fold] = []
    for number, (start, stop) in enumerate(itertools.pairwise(edges)):
        train_stop = int(np.searchsorted(data.index, data.index[start] - gap)) if start < n else 0
        if stop <= start or train_stop < settings.min_rows:
            raise ModelError(
                f"{n} usable rows are too few for {folds} folds: the first would train on "
                f"{max(train_stop, 0)}, {settings.min_rows} are needed; fetch more history "
                "(HISTORY_DAYS) or ask for fewer folds"
            )
        length = train_stop if window == EXPANDING or not result else result[0].train_stop
        result.append(Fold(number, train_stop - length, train_stop, start, stop))
    return result


def make_fold_before(data: TrainingData, folds: int, settings: TrainingSettings) -> Fold:
    """Return the fold before the first of `make_folds`: it forecasts what that one trains on.

    It trains on the first half of the first training window and forecasts the rest up to the
    first forecast row, so that something can be chosen out of sample before the first fold.

    Raises
    ------
    ModelError
        The rows are too few.
    """
    first = make_folds(data, folds, settings)[0]
    start = first.train_stop // 2
    gap = settings.horizon_steps + settings.embargo_steps
    train_stop = int(np.searchsorted(data.index, data.index[start] - gap))
    if train_stop < settings.min_rows:
        raise ModelError(
            f"the first half of the first training window has {train_stop} rows, "
            f"{settings.min_rows} are needed; fetch more history (HISTORY_DAYS)"
        )
    return Fold(-1, 0, train_stop, start, first.start)


def run_fold(
    data: TrainingData,
    settings: TrainingSettings,
    fold: Fold,
    kinds: Sequence[str] = apply.KINDS,
) -> FoldForecast:
    """Return the forecasts of one fold, by the functions that forecast live.

    The rows are binned once for all kinds, by the edges of this fold's training part.
    """
    past = _rows(data, slice(fold.train_start, fold.train_stop))
    # The fold's own forecast rows are its holdout.
    prepared = prepare(past, replace(settings, holdout_fraction=0.0))
    rows = slice(fold.start, fold.stop)
    forecasts: apply.Columns = {}
    trained = {}
    for kind in kinds:
        trained[kind] = TRAINERS[kind](prepared)
        model = apply.make_model(kind, trained[kind].metadata, trained[kind].files)
        forecasts |= apply.predict(model, data.features[rows])
    return FoldForecast(fold, data.index[rows], forecasts, trained)


def walk_forward(
    data: TrainingData,
    settings: TrainingSettings,
    folds: int,
    kinds: Sequence[str] = apply.KINDS,
    window: Window = EXPANDING,
    *,
    first_train_fraction: float = 0.4,
) -> list[FoldForecast]:
    """Return the out-of-sample forecasts of every fold, in the order of time.

    References
    ----------
    Pardo (2008), The Evaluation and Optimization of Trading Strategies, chapter 11; Lopez de
    Prado (2018), Advances in Financial Machine Learning, section 7.4 (purging and embargo).
    """
    plan = make_folds(data, folds, settings, window, first_train_fraction=first_train_fraction)
    return [run_fold(data, settings, fold, kinds) for fold in plan]


def join(results: Sequence[FoldForecast]) -> tuple[NDArray[np.int64], apply.Columns]:
    """Return the snapshot rows and forecast columns of all folds, one after the other."""
    index = np.concatenate([r.index for r in results])
    names = results[0].forecasts
    return index, {n: np.concatenate([r.forecasts[n] for r in results]) for n in names}


def _rows(data: TrainingData, rows: slice) -> TrainingData:
    """Return some of the rows."""
    columns: dict[str, Any] = {
        name: getattr(data, name)[rows]
        for name in (
            "index",
            "open_time",
            "features",
            "forward_return",
            "realised_volatility",
            "trend_label",
            "label_end",
        )
    }
    return replace(data, **columns)
