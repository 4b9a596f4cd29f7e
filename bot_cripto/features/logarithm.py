"""A natural logarithm that gives the same bits on every machine and at every array position."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_SQRT_HALF = 0.7071067811865476
_LN2_HIGH = 6.93147180369123816490e-01
_LN2_LOW = 1.90821492927058770002e-10
_SERIES = (
    1.479819860511658591e-01,
    1.531383769920937332e-01,
    1.818357216161805012e-01,
    2.222219843214978396e-01,
    2.857142874366239149e-01,
    3.999999999940941908e-01,
    6.666666666666735130e-01,
)


def log(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the natural logarithm, built from exactly rounded operations only.

    `numpy.log` picks its code by the processor (AVX512, libm with or without fused
    multiply-add), so its last bit may differ between machines. Addition, multiplication and
    division do not: a model trained on one machine sees the same features on another.

    Parameters
    ----------
    x : ndarray of shape (n,)
        Positive numbers.

    Returns
    -------
    ndarray of shape (n,)
        log(x) within one unit in the last place; NaN where x is NaN or not positive.

    References
    ----------
    Sun Microsystems, fdlibm (1993), ``e_log.c``: argument reduction and series.
    """
    mantissa, exponent = np.frexp(x)
    small = mantissa < _SQRT_HALF
    mantissa += mantissa * small
    k = (exponent - small).astype(np.float64)
    f = mantissa - 1.0
    s = f / (f + 2.0)
    z = s * s
    series = z * _SERIES[0]
    for coefficient in _SERIES[1:]:
        series += coefficient
        series *= z
    half_square = f * f
    half_square *= 0.5
    series += half_square
    series *= s
    series += k * _LN2_LOW
    half_square -= series
    half_square -= f
    k *= _LN2_HIGH
    k -= half_square
    if not (x > 0.0).all():
        k[~(x > 0.0)] = np.nan
    return k
