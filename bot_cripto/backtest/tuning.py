"""Thresholds chosen by the past of each fold, and what that procedure came to afterwards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from bot_cripto.backtest.statistics import deflation
from bot_cripto.backtest.statistics.bootstrap import (
    MIN_DAYS,
    automatic_block,
    expanded_tail,
    stationary_resamples,
)
from bot_cripto.backtest.statistics.returns import period_sharpe, total_return
from bot_cripto.backtest.threshold_grid import ThresholdGrid
from bot_cripto.metrics import Floats
from bot_cripto.timeframes import DAY_MS, iso

MIN_TRADES = 30
"""Combinations with fewer trades in the past are not chosen: they say too little."""

RESAMPLES = 2000

Json = dict[str, Any]


def choose(grid: ThresholdGrid) -> int:
    """Return which combination the days of a grid speak for; 0, the configured one, if none.

    It is the one with the best Sharpe ratio among those with a profit and at least `MIN_TRADES`
    trades, if that is better than the configured one's.
    """
    best, best_ratio = 0, period_sharpe(grid.returns[:, 0]) or 0.0
    for place in range(1, len(grid.thresholds)):
        if grid.trades[:, place].sum() < MIN_TRADES:
            continue
        ratio = period_sharpe(grid.returns[:, place])
        if ratio is not None and ratio > best_ratio and ratio > 0:
            best, best_ratio = place, ratio
    return best


def tune(
    grid: ThresholdGrid,
    fold_starts: Sequence[int],
    until_ms: int,
    trials: Mapping[str, float | None],
) -> Json:
    """Return what thresholds to change, and what tuning them so has been worth.

    For each fold the combination is chosen by days that end a whole day before the fold begins;
    its returns in the fold make the result of the *procedure*, which no chosen combination has
    made up. The proposal is chosen by all days.

    Parameters
    ----------
    grid : ThresholdGrid
        Its days may begin before the first fold.
    fold_starts : sequence of int
        Open time of the first candle of each fold, milliseconds since the epoch, UTC.
    until_ms : int
        End of the last fold.
    trials : mapping of str to float or None
        Sharpe ratios (of a day) of all configurations that were tried for the symbol, by hash;
        those of the grid are among them.

    Returns
    -------
    dict
        ``configured`` and ``proposal`` (thresholds), ``change`` (what differs: old and new),
        ``by_fold``, ``nested`` and ``configured_result`` (net return, day Sharpe, trades over the
        same days), ``difference`` (mean daily return of tuned less configured, with its 95 %
        interval), ``shown`` (that interval lies above 0), ``proposal_dsr`` (deflated Sharpe ratio
        of the proposal on all days).
    """
    configured = grid.thresholds[0]
    tuned, plain, trades, by_fold = [], [], [], []
    for start, stop in zip(fold_starts, [*fold_starts[1:], until_ms], strict=True):
        # whole days only: the day in which a fold begins belongs to the fold before
        first = -(-start // DAY_MS) * DAY_MS
        past = grid.between(0, first - DAY_MS)
        chosen = choose(past) if len(past.days) >= MIN_DAYS else 0
        within = grid.between(first, -(-stop // DAY_MS) * DAY_MS)
        tuned.append(within.returns[:, chosen])
        plain.append(within.returns[:, 0])
        trades.append((int(within.trades[:, chosen].sum()), int(within.trades[:, 0].sum())))
        by_fold.append(
            {
                "first_candle": iso(start),
                "past_days": len(past.days),
                "thresholds": grid.thresholds[chosen],
                "net_return": total_return(tuned[-1]),
                "configured_net_return": total_return(plain[-1]),
                "trades": trades[-1][0],
            }
        )
    place = choose(grid)
    proposal = grid.thresholds[place]
    ours, theirs = np.concatenate(tuned), np.concatenate(plain)
    mean, low, high = _mean_interval(ours - theirs)
    return {
        "configured": configured,
        "proposal": proposal,
        "change": {
            key: [configured[key], proposal[key]]
            for key in configured
            if configured[key] != proposal[key]
        },
        "combinations": len(grid.thresholds),
        "trials": len(trials),
        "days": len(ours),
        "by_fold": by_fold,
        "nested": _result(ours, sum(pair[0] for pair in trades)),
        "configured_result": _result(theirs, sum(pair[1] for pair in trades)),
        "difference": {"mean": mean, "low": low, "high": high},
        "shown": low is not None and low > 0,
        "proposal_dsr": _deflated(grid.returns[:, place], trials),
    }


def words(symbol: str, tuned: Mapping[str, Any]) -> str:
    """Return the proposal and its worth as sentences for a person."""
    nested, plain = tuned["nested"], tuned["configured_result"]
    parts = [f"{name.upper()} {old:g} -> {new:g}" for name, (old, new) in tuned["change"].items()]
    what = f"would change {', '.join(parts)}" if parts else "would change nothing"
    text = (
        f"{symbol}: {what} (of {tuned['combinations']} combinations; nothing has been changed).\n"
        f"  Tuned by the past of each fold: net {nested['net_return']:+.2%} in {tuned['days']} "
        f"days, {nested['trades']} trades; as configured: {plain['net_return']:+.2%}, "
        f"{plain['trades']} trades.\n"
    )
    gap = tuned["difference"]
    if gap["low"] is None:
        return text + "  Too few days to say whether tuning is worth anything.\n"
    span = f"{1e4 * gap['mean']:+.2f} bp a day (95 % from {1e4 * gap['low']:+.2f} to "
    verdict = "is shown" if tuned["shown"] else "is not shown"
    return text + f"  That tuning is worth it {verdict}: {span}{1e4 * gap['high']:+.2f}).\n"


def _result(daily: Floats, trades: int) -> Json:
    return {
        "net_return": total_return(daily),
        "day_sharpe": period_sharpe(daily),
        "trades": trades,
    }


def _deflated(daily: Floats, trials: Mapping[str, float | None]) -> float | None:
    ratio = period_sharpe(daily)
    if ratio is None:
        return None
    known = [value for value in trials.values() if value is not None]
    spread = deflation.variance_of_trials(known, len(daily))
    skewness, kurtosis = deflation.shape(daily)
    number = max(len(trials), 1)
    return deflation.deflated_sharpe(ratio, len(daily), skewness, kurtosis, number, spread)


def _mean_interval(daily: Floats) -> tuple[float, float | None, float | None]:
    """Return the mean of daily differences with its 95 % interval by the stationary bootstrap."""
    mean = float(np.mean(daily)) if len(daily) else 0.0
    if len(daily) < MIN_DAYS:
        return mean, None, None
    random = np.random.Generator(np.random.PCG64(0))
    block = automatic_block(daily)
    places = stationary_resamples(len(daily), block, RESAMPLES, random)
    tail = expanded_tail(0.95, len(daily) / block)
    low, high = np.quantile(daily[places].mean(axis=1), [tail, 1.0 - tail])
    return mean, float(low), float(high)
