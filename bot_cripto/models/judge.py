"""Champion or challenger: the comparison that decides which models are in use."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from bot_cripto import metrics
from bot_cripto.models.apply import Columns
from bot_cripto.models.snapshot import TrainingData

MIN_INDEPENDENT = 200
"""Least number of non-overlapping horizons that a comparison stands on."""

TOLERANCE = 0.01
"""How much worse (relative) the other losses of a better challenger may be."""


@dataclass(frozen=True)
class Verdict:
    """Who wins, and why.

    Attributes
    ----------
    promote : bool
        True: the challenger becomes champion.
    reason : str
        The comparison in words.
    losses : dict
        Losses of both on the common rows, lower is better; empty without a comparison.
    """

    promote: bool
    reason: str
    losses: dict[str, dict[str, float]]


def losses(forecasts: Columns, data: TrainingData, rows: slice) -> dict[str, float]:
    """Return the losses of forecasts: direction (log loss), quantiles (pinball), volatility."""
    found = metrics.evaluate(forecasts, data.forward_return[rows], data.realised_volatility[rows])
    return {
        "direction": found["log_loss"],
        "quantiles": found["pinball10"] + found["pinball50"] + found["pinball90"],
        "volatility": found["volatility_mae"],
    }


def unseen_rows(data: TrainingData, holdout: dict[str, Any], champion_cutoff_ms: int) -> slice:
    """Return the rows that neither champion nor challenger learnt from.

    Parameters
    ----------
    data : TrainingData
        Rows of the challenger's snapshot.
    holdout : dict
        The challenger's holdout part, from its metadata; its ``rows`` are the last ones.
    champion_cutoff_ms : int
        Nothing after it took part in the champion, milliseconds since the epoch, UTC.
    """
    start = len(data) - int(holdout["rows"])
    return slice(max(start, int(np.searchsorted(data.open_time, champion_cutoff_ms))), len(data))


def judge(challenger: Columns, champion: Columns, data: TrainingData, rows: slice) -> Verdict:
    """Compare two sets of forecasts of the same rows.

    The challenger wins when its direction loss is lower and no other loss is more than
    `TOLERANCE` worse.

    Parameters
    ----------
    challenger, champion : dict of str to ndarray of shape (m,)
        Forecast columns of `rows`.
    data : TrainingData
    rows : slice of m rows
        What neither has seen; see `unseen_rows`.
    """
    independent = (rows.stop - rows.start) // data.horizon_steps
    if independent < MIN_INDEPENDENT:
        return Verdict(
            False,
            f"the champion stays: only {independent} non-overlapping horizons that neither has "
            f"seen, {MIN_INDEPENDENT} are needed",
            {},
        )
    found = {
        "challenger": losses(challenger, data, rows),
        "champion": losses(champion, data, rows),
    }
    theirs, ours = found["challenger"], found["champion"]
    better = theirs["direction"] < ours["direction"] and all(
        theirs[name] <= ours[name] * (1 + TOLERANCE) for name in ours
    )
    words = ", ".join(f"{name} loss {theirs[name]:.5g} against {ours[name]:.5g}" for name in ours)
    who = "the challenger is better" if better else "the champion stays"
    return Verdict(better, f"{who} on {rows.stop - rows.start} unseen candles: {words}", found)
