"""Predictions of LightGBM models through LightGBM's own C library.

Importing the lightgbm package costs more than a second (it pulls in pandas and scikit-learn);
its shared library loads in milliseconds and gives the same numbers to the bit.
"""

from __future__ import annotations

import ctypes
import functools
import importlib.util
import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bot_cripto.errors import ModelError

# Constants of LightGBM's c_api.h.
_NORMAL, _RAW_SCORE = 0, 1
_DTYPES = {np.dtype(np.float32): 0, np.dtype(np.float64): 1}
_PARAMETERS = b"num_threads=1 verbosity=-1"


@functools.cache
def _library() -> ctypes.CDLL:
    """Return LightGBM's shared library, found beside the package without importing it."""
    spec = importlib.util.find_spec("lightgbm")
    folders = list(spec.submodule_search_locations or []) if spec else []
    for folder in folders:
        for place in ("lib", "bin", "."):
            for name in ("lib_lightgbm.so", "lib_lightgbm.dylib", "lib_lightgbm.dll"):
                path = Path(folder) / place / name
                if path.is_file():
                    # Read once, when OpenMP loads: a second thread would only spin and wait.
                    os.environ.setdefault("OMP_NUM_THREADS", "1")
                    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
                    library = ctypes.CDLL(str(path))
                    library.LGBM_GetLastError.restype = ctypes.c_char_p
                    return library
    raise ModelError("lib_lightgbm is not installed; install the package lightgbm 4.7 or newer")


def _call(function: str, *arguments: Any) -> None:
    """Call a function of the C library; raise ModelError with its own message on failure."""
    library = _library()
    if getattr(library, function)(*arguments) != 0:
        message = library.LGBM_GetLastError().decode(errors="replace")
        raise ModelError(f"LightGBM: {message} ({function})")


class Booster:
    """A trained LightGBM model, read from LightGBM's own text format.

    Use `from_text`. The memory of the C library is freed with the object.
    """

    def __init__(self, handle: ctypes.c_void_p) -> None:
        self._handle = handle
        count = ctypes.c_int()
        _call("LGBM_BoosterGetNumFeature", handle, ctypes.byref(count))
        self.n_features = count.value
        _call("LGBM_BoosterGetNumClasses", handle, ctypes.byref(count))
        self._classes = count.value

    @classmethod
    def from_text(cls, model_text: str | bytes) -> Booster:
        """Return the model of that text.

        The C library ends the process when the inside of a tree is damaged, so a text that
        was stored must have had its hash checked before.

        Raises
        ------
        ModelError
            The text is no LightGBM model of one output.
        """
        content = model_text.encode() if isinstance(model_text, str) else model_text
        # The C library aborts the process on some cut texts; this finds them first.
        if not content.startswith(b"tree\n") or b"\nend of trees\n" not in content:
            raise ModelError("the text is no whole LightGBM model (no 'end of trees')")
        handle, iterations = ctypes.c_void_p(), ctypes.c_int()
        _call(
            "LGBM_BoosterLoadModelFromString",
            ctypes.c_char_p(content),
            ctypes.byref(iterations),
            ctypes.byref(handle),
        )
        booster = cls(handle)
        if booster._classes != 1:
            raise ModelError(f"the model has {booster._classes} outputs where one is expected")
        return booster

    def predict(self, matrix: NDArray[Any], *, raw: bool = False) -> NDArray[np.float64]:
        """Return one prediction a row, on one thread.

        Parameters
        ----------
        matrix : ndarray of shape (n, n_features)
            Features, float32 or float64 (other types are converted to float64). NaN means
            missing, as it did in training.
        raw : bool
            True for the raw score (log odds of a classifier), False for the output as the
            model's objective transforms it (probability of a classifier).

        Returns
        -------
        ndarray of shape (n,), float64

        Raises
        ------
        ModelError
            The number of columns is not the model's.
        """
        if matrix.ndim != 2 or matrix.shape[1] != self.n_features:
            raise ModelError(
                f"the model takes {self.n_features} features a row, "
                f"the matrix has the shape {matrix.shape}"
            )
        dtype = matrix.dtype if matrix.dtype in _DTYPES else np.dtype(np.float64)
        rows = np.ascontiguousarray(matrix, dtype=dtype)
        result = np.empty(len(rows), dtype=np.float64)
        if len(rows) == 0:
            return result
        written = ctypes.c_int64()
        _call(
            "LGBM_BoosterPredictForMat",
            self._handle,
            rows.ctypes.data_as(ctypes.c_void_p),
            ctypes.c_int(_DTYPES[dtype]),
            ctypes.c_int32(rows.shape[0]),
            ctypes.c_int32(rows.shape[1]),
            ctypes.c_int(1),
            ctypes.c_int(_RAW_SCORE if raw else _NORMAL),
            ctypes.c_int(0),
            ctypes.c_int(-1),
            ctypes.c_char_p(_PARAMETERS),
            ctypes.byref(written),
            result.ctypes.data_as(ctypes.c_void_p),
        )
        return result

    def __del__(self) -> None:
        """Free the model in the C library."""
        handle = getattr(self, "_handle", None)
        if handle:
            _library().LGBM_BoosterFree(handle)
            self._handle = ctypes.c_void_p()
