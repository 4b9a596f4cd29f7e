"""Finite-window primitives: every value is a fixed chain of elementwise operations.

A window of w candles is folded together from blocks of 1, 2, 4, … candles, each made of two
halves that lie next to each other. The order of operations behind one value depends on w alone,
neither on where the value stands in the array nor on the array's length, so that a value computed
over a year, over a month or for one new candle has the same bits. Running sums and recursive
smoothing do not have this property: they remember where they started.

All functions take arrays of shape (n,), float64 and contiguous, the oldest candle first, and
return arrays of shape (n,). A NaN within a window makes the value NaN, as do missing rows before
the first one: the first ``window - 1`` values are NaN.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
State = tuple[FloatArray, ...]
Join = Callable[[State, State, int, int], State]

TAIL_WEIGHT = 1e-8
"""Largest share of an exponential average's weight that its finite window may leave out."""


def lag(x: FloatArray, steps: int) -> FloatArray:
    """Return the value of `steps` candles ago; NaN where there is none."""
    return _pad(x[: max(len(x) - steps, 0)], len(x))


def ratio(numerator: FloatArray, denominator: FloatArray, at_zero: float) -> FloatArray:
    """Return numerator / denominator, and `at_zero` where the denominator is 0.

    NaN in either gives NaN, also over a denominator of 0.
    """
    result = numerator / denominator
    zero = denominator == 0.0
    if zero.any():
        result[zero] = numerator[zero] * 0.0 + at_zero
    return result


def rolling_mean(x: FloatArray, window: int) -> FloatArray:
    """Return the mean of the last `window` values; that of equal values is exact."""
    return _fold((x,), window, _join_mean)[0]


def rolling_max(x: FloatArray, window: int) -> FloatArray:
    """Return the largest of the last `window` values."""
    return _fold((x,), window, lambda a, b, _na, _nb: (np.maximum(a[0], b[0]),))[0]


def rolling_min(x: FloatArray, window: int) -> FloatArray:
    """Return the smallest of the last `window` values."""
    return _fold((x,), window, lambda a, b, _na, _nb: (np.minimum(a[0], b[0]),))[0]


def rolling_moments(x: FloatArray, window: int) -> tuple[FloatArray, FloatArray]:
    """Return mean and standard deviation (divided by `window`) of the last `window` values.

    Blocks are merged by their means and variances, so that there is no difference of large
    squares; the deviation of equal values is exactly 0.

    References
    ----------
    Chan, Golub, LeVeque (1983), Algorithms for computing the sample variance.
    """
    mean, variance = _fold((x, np.zeros_like(x)), window, _join_moments)
    return mean, np.sqrt(variance)


def rolling_slope(x: FloatArray, window: int) -> FloatArray:
    """Return the least-squares slope per candle over the last `window` values."""
    _, products = _fold((x, np.zeros_like(x)), window, _join_slope)
    return products / (window * (window * window - 1) / 12)


def rolling_deviation(x: FloatArray, window: int) -> tuple[FloatArray, FloatArray]:
    """Return x minus its rolling mean, and the mean absolute deviation from that mean.

    Takes one operation for each candle of the window, so it is meant for short ones. Values are
    taken relative to the newest: of equal values both results are exactly 0.
    """
    offsets = [lag(x, i) - x for i in range(window)]
    mean = np.zeros_like(x)
    for offset in offsets:
        mean += offset
    mean /= window
    spread = np.zeros_like(x)
    for offset in offsets:
        spread += np.abs(offset - mean)
    spread /= window
    return -mean, spread


def taps(alpha: float) -> int:
    """Return the window of an exponential average: the least power of two that is long enough.

    Long enough means that the weight ``(1 - alpha) ** taps`` of all older values is below
    `TAIL_WEIGHT`.
    """
    count = 1
    while _power(1.0 - alpha, count) >= TAIL_WEIGHT:
        count *= 2
    return count


def exponential_mean(x: FloatArray, alpha: float) -> FloatArray:
    """Return the exponential moving average over its last `taps(alpha)` values.

    Weights fall by ``1 - alpha`` a candle and are normalised to 1; the average of equal values is
    exact. ``alpha = 2 / (span + 1)`` is the EMA, ``alpha = 1 / period`` is Wilder's smoothing.
    """
    decay = 1.0 - alpha

    def join(newer: State, older: State, n_newer: int, n_older: int) -> State:
        outside = _power(decay, n_newer) * (1.0 - _power(decay, n_older))
        return (_mix(newer[0], older[0], outside / (1.0 - _power(decay, n_newer + n_older))),)

    return _fold((x,), taps(alpha), join)[0]


def ema(x: FloatArray, span: int) -> FloatArray:
    """Return the exponential moving average with ``alpha = 2 / (span + 1)``."""
    return exponential_mean(x, 2.0 / (span + 1))


def ema_window(span: int) -> int:
    """Return the number of values that `ema` depends on."""
    return taps(2.0 / (span + 1))


def wilder(x: FloatArray, period: int) -> FloatArray:
    """Return Wilder's smoothing, ``alpha = 1 / period``.

    References
    ----------
    Wilder (1978), New Concepts in Technical Trading Systems.
    """
    return exponential_mean(x, 1.0 / period)


def wilder_window(period: int) -> int:
    """Return the number of values that `wilder` depends on."""
    return taps(1.0 / period)


def _fold(values: State, window: int, join: Join) -> State:
    """Fold the last `window` values of each row together by doubling.

    ``join(newer, older, n_newer, n_older)`` merges the states of two neighbouring blocks. A block
    of k candles is held without its first k - 1 rows, ends aligned.
    """
    n = len(values[0])
    if window > n:
        return tuple(np.full(n, np.nan) for _ in values)
    block, size = values, 1
    result, covered = values, 0
    while True:
        if window & size:
            result = block if not covered else _neighbours(result, block, covered, size, join)
            covered += size
        if covered == window:
            return tuple(_pad(r, n) for r in result)
        block = _neighbours(block, block, size, size, join)
        size *= 2


def _neighbours(newer: State, older: State, n_newer: int, n_older: int, join: Join) -> State:
    rows = len(older[0]) - n_newer
    return join(
        tuple(a[len(a) - rows :] for a in newer), tuple(b[:rows] for b in older), n_newer, n_older
    )


def _mix(newer: FloatArray, older: FloatArray, weight: float) -> FloatArray:
    """Return the average of two arrays, the older one having that weight; exact if equal."""
    mixed = older - newer
    mixed *= weight
    mixed += newer
    return mixed


def _join_mean(newer: State, older: State, n_newer: int, n_older: int) -> State:
    return (_mix(newer[0], older[0], n_older / (n_newer + n_older)),)


def _join_moments(newer: State, older: State, n_newer: int, n_older: int) -> State:
    weight = n_older / (n_newer + n_older)
    delta = older[0] - newer[0]
    mean = delta * weight
    mean += newer[0]
    delta *= delta
    delta *= weight * (1.0 - weight)
    delta += _mix(newer[1], older[1], weight)
    return mean, delta


def _join_slope(newer: State, older: State, n_newer: int, n_older: int) -> State:
    weight = n_older / (n_newer + n_older)
    delta = newer[0] - older[0]
    mean = _mix(newer[0], older[0], weight)
    delta *= n_newer * n_older / 2  # the centres of the blocks lie half their sum apart
    delta += newer[1]
    delta += older[1]
    return mean, delta


def _power(base: float, exponent: int) -> float:
    """Return an integer power by multiplication only: the C library's differs by machine."""
    result = 1.0
    while exponent:
        if exponent & 1:
            result *= base
        base *= base
        exponent >>= 1
    return result


def _pad(values: FloatArray, n: int) -> FloatArray:
    """Return an array of n rows: NaN, then the values."""
    padded = np.empty(n)
    padded[: n - len(values)] = np.nan
    padded[n - len(values) :] = values
    return padded
