"""The leak alarms of one symbol, on the operator's own candles and configuration."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from bot_cripto import metrics
from bot_cripto.backtest import alarms
from bot_cripto.errors import ModelError
from bot_cripto.models.settings import TrainingSettings
from bot_cripto.models.snapshot import Snapshot
from bot_cripto.models.walk_forward import FoldForecast, join

Json = dict[str, Any]


def audit(
    snapshot: Snapshot,
    results: Sequence[FoldForecast],
    no_folds: str,
    settings: Mapping[str, Any],
) -> Json:
    """Return what the leak alarms say.

    Parameters
    ----------
    snapshot : Snapshot
    results : sequence of FoldForecast
        Empty where there are none.
    no_folds : str
        Why there are none; alarms that need forecasts then are not measured.
    settings : mapping
        The effective settings.

    Returns
    -------
    dict
        ``auc`` (out of sample; None without forecasts), ``alarms`` (each with ``name``,
        ``passed`` -- None: not measured -- and ``text``) and ``suspect``: one went off.
    """
    training = TrainingSettings(**settings["training"], horizon_steps=settings["horizon_steps"])
    auc, why = None, no_folds
    found = [alarms.truncation(snapshot)]
    if results:
        index, columns = join(results)
        prob_up, forward = columns["prob_up"], snapshot.forward_return[index]
        up = (forward > 0).astype(float)
        measured = metrics.auc(prob_up, up)
        auc = measured if math.isfinite(measured) else None
        why = "all outcomes were the same"
    if auc is not None:
        error = alarms.standard_error(prob_up, up, training.horizon_steps)
        found += [
            alarms.ceiling(auc, settings, error),
            alarms.label_shift(prob_up, forward, training.horizon_steps),
        ]
    else:
        found += [alarms.not_measured(name, why) for name in ("ceiling", "label_shift")]
    try:
        found.append(alarms.null_control(snapshot, training))
    except ModelError as too_little:
        found.append(alarms.not_measured("null_control", str(too_little)))
    return {
        "auc": auc,
        "alarms": [asdict(alarm) for alarm in found],
        "suspect": any(alarm.passed is False for alarm in found),
    }
