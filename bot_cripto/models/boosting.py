"""One LightGBM model: binned once, trained with early stopping, as canonical text."""

from __future__ import annotations

import functools
import importlib
import importlib.abc
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bot_cripto.models.settings import TrainingSettings

# What the lightgbm package imports where it is installed, for interfaces that nothing here uses.
_OPTIONAL = ("dask", "matplotlib", "pandas", "sklearn")
_import_lock = threading.Lock()


@dataclass(frozen=True)
class Fitted:
    """A trained model.

    Attributes
    ----------
    text : str
        LightGBM's text format without its trailing parameters, which record the number of
        threads: equal models are equal bytes.
    rounds : int
        Trees kept, up to the best validation loss.
    importance : dict of str to float
        Total gain by feature, as shares that sum to 1 (all 0 for a model without a split).
    """

    text: str
    rounds: int
    importance: dict[str, float]


class Binned:
    """Training and validation rows binned once, for several models on the same rows.

    Bin edges come from the training rows alone: edges that saw later rows would leak.

    Parameters
    ----------
    features : ndarray of shape (n, n_features), float32
    names : tuple of str
    train, validation : slice
        Rows of the two parts.
    settings : TrainingSettings
    num_threads : int
        Has no influence on the models, only on the time; more than 1 is slower on busy cores.
    """

    def __init__(
        self,
        features: NDArray[np.float32],
        names: tuple[str, ...],
        train: slice,
        validation: slice,
        settings: TrainingSettings,
        num_threads: int = 1,
    ) -> None:
        lightgbm = _lightgbm()
        self.train, self.validation = train, validation
        self._features, self._names = features, names
        self._min_leaf_fraction = settings.min_leaf_fraction
        self._parameters: dict[str, Any] = {
            "verbosity": -1,
            "num_threads": num_threads,
            "deterministic": True,
            # On one thread faster than by rows, and than LightGBM's own trial of both.
            "force_col_wise": True,
            "seed": settings.seed,
            "learning_rate": settings.learning_rate,
            "num_leaves": settings.num_leaves,
            "min_data_in_leaf": self._least_leaf(len(features[train])),
            "feature_fraction": settings.feature_fraction,
            "bagging_fraction": settings.bagging_fraction,
            "bagging_freq": 1 if settings.bagging_fraction < 1 else 0,
            "lambda_l2": settings.lambda_l2,
            "max_bin": settings.max_bin,
        }
        self._rounds = settings.rounds
        self._patience = settings.early_stopping_rounds
        common: dict[str, Any] = {
            "feature_name": list(names),
            "params": self._parameters,
            "free_raw_data": False,
        }
        self._train = lightgbm.Dataset(features[train], **common)
        self._validation = lightgbm.Dataset(features[validation], reference=self._train, **common)

    def fit(
        self,
        target: NDArray[np.float64],
        weight: NDArray[np.float64] | None,
        objective: Mapping[str, Any],
    ) -> Fitted:
        """Return a model of the target.

        Parameters
        ----------
        target : ndarray of shape (n,)
            Of all rows; finite.
        weight : ndarray of shape (n,) or None
            A row of weight 0 teaches nothing. None where all rows weigh the same: a quantile
            model then takes two thirds of the time.
        objective : mapping
            LightGBM's parameters of the objective and its metric.
        """
        lightgbm = _lightgbm()
        for data, part in ((self._train, self.train), (self._validation, self.validation)):
            data.construct()
            data.set_label(target[part])
            share = None if weight is None else weight[part] / weight[part].mean()
            # `set_weight(None)` would leave the weights of the model before in place.
            data.set_field("weight", None if share is None else share.astype(np.float32))
        booster = lightgbm.train(
            self._parameters | dict(objective),
            self._train,
            num_boost_round=self._rounds,
            valid_sets=[self._validation],
            callbacks=[lightgbm.early_stopping(self._patience, verbose=False)],
            # Otherwise it is written to text and read again, to predict on another machine.
            keep_training_booster=True,
        )
        return _fitted(booster, booster.best_iteration)

    def refit(
        self,
        rows: slice,
        target: NDArray[np.float64],
        weight: NDArray[np.float64],
        objective: Mapping[str, Any],
        rounds: int,
    ) -> Fitted:
        """Return a model of so many rounds on other rows, by the same bin edges.

        Parameters
        ----------
        rows : slice
            The rows that train.
        target, weight : ndarray of shape (n,)
            As in `fit`.
        objective : mapping
            As in `fit`.
        rounds : int
            Trees, as early stopping has found them before.
        """
        lightgbm = _lightgbm()
        count = rows.stop - rows.start
        parameters = self._parameters | {"min_data_in_leaf": self._least_leaf(count)}
        data = lightgbm.Dataset(
            self._features[rows],
            label=target[rows],
            weight=weight[rows] / weight[rows].mean(),
            reference=self._train,
            feature_name=list(self._names),
            params=parameters,
        )
        booster = lightgbm.train(
            parameters | dict(objective),
            data,
            num_boost_round=rounds,
            keep_training_booster=True,
        )
        return _fitted(booster, rounds)

    def _least_leaf(self, rows: int) -> int:
        """Return the least rows of a leaf of trees that so many rows train."""
        return max(20, round(self._min_leaf_fraction * rows))


def _fitted(booster: Any, rounds: int) -> Fitted:
    """Return the first trees of a booster as canonical text."""
    gain = booster.feature_importance("gain", iteration=rounds)
    total = float(gain.sum()) or 1.0
    text = booster.model_to_string(num_iteration=rounds)
    return Fitted(
        text[: text.index("\nparameters:\n") + 1],
        rounds,
        {n: float(g) / total for n, g in zip(booster.feature_name(), gain, strict=True)},
    )


@functools.cache
def _lightgbm() -> Any:
    """Return the lightgbm package, imported without scikit-learn, pandas and the like.

    They take four times as long to import as lightgbm itself, and only its other interfaces need
    them. An import of theirs elsewhere, before or after, gets the real package.
    """
    absent = _Absent(_OPTIONAL)
    with _import_lock:
        sys.meta_path.insert(0, absent)
        try:
            return importlib.import_module("lightgbm")
        finally:
            sys.meta_path.remove(absent)


class _Absent(importlib.abc.MetaPathFinder):
    """A finder that answers for packages of some names that they are not installed."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self.names = names

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> None:
        """Raise ModuleNotFoundError for those names; leave others to the finders after it."""
        if fullname in self.names:
            raise ModuleNotFoundError(f"{fullname} is left out here", name=fullname)
