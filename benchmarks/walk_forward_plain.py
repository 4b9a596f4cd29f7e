"""The walk-forward as a straightforward script: scikit-learn and LightGBM, nothing of the project.

    python benchmarks/walk_forward_plain.py SNAPSHOT FOLDS SETTINGS [--once]

The yardstick of walk_forward_cost.py, which writes SNAPSHOT and gives the settings as JSON. The
classifier is trained again on all rows before the fold, as the project's is, unless --once is
given.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import lightgbm
import numpy as np
import pandas as pd
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import log_loss, mean_pinball_loss, roc_auc_score
from sklearn.model_selection import TimeSeriesSplit

LEVELS = {"p10": 0.1, "p50": 0.5, "p90": 0.9}


def fit(model: Any, x: pd.DataFrame, y: np.ndarray, train: Any, valid: Any, patience: int) -> Any:
    stop = lightgbm.early_stopping(patience, verbose=False)
    return model.fit(
        x.iloc[train], y[train], eval_X=x.iloc[valid], eval_y=y[valid], callbacks=[stop]
    )


def main() -> None:
    path, folds, given = sys.argv[1], int(sys.argv[2]), json.loads(sys.argv[3])
    horizon, patience = given["horizon_steps"], given["early_stopping_rounds"]
    gap = horizon + given["embargo_steps"]
    frame = pd.read_parquet(path)
    columns = [name for name in frame if name.startswith("feature.")]
    frame = frame.dropna(subset=[*columns, "forward_return", "realised_volatility"])
    x = frame[columns]
    unit = np.sqrt(horizon) * x["feature.realised_volatility_48"].to_numpy(float).clip(1e-5)
    forward, label = frame["forward_return"].to_numpy(), frame["trend_label"].to_numpy()
    rose = forward > 0
    target = forward / unit
    limited = target.clip(-6, 6)
    logarithm = np.log(frame["realised_volatility"].to_numpy().clip(1e-5) / unit)

    results, rounds = [], []
    # The first test fold starts after 40 % of the rows.
    splitter = TimeSeriesSplit(folds, test_size=round(0.6 * len(x) / folds), gap=gap)
    for past, test in splitter.split(x):
        edges = [round(share * len(past)) for share in (0.8, 0.9)]
        train, valid = past[: edges[0] - gap], past[edges[0] : edges[1] - gap]
        later = past[edges[1] :]
        common = {
            "n_estimators": given["rounds"],
            "learning_rate": given["learning_rate"],
            "num_leaves": given["num_leaves"],
            "min_child_samples": max(20, round(given["min_leaf_fraction"] * len(train))),
            "colsample_bytree": given["feature_fraction"],
            "subsample": given["bagging_fraction"],
            "subsample_freq": 1,
            "reg_lambda": given["lambda_l2"],
            "max_bin": given["max_bin"],
            "random_state": given["seed"],
            "n_jobs": 1,
            "verbosity": -1,
        }
        result = {"row": test}
        known, known_valid = (part[~np.isnan(label[part])] for part in (train, valid))
        model = lightgbm.LGBMClassifier(**common)
        models = [fit(model, x, label, known, known_valid, patience)]
        score = models[0].predict(x.iloc[later], raw_score=True)
        platt = LogisticRegression().fit(score[:, None], rose[later])
        final = models[0]
        if "--once" not in sys.argv:
            known = past[~np.isnan(label[past])]
            final = lightgbm.LGBMClassifier(**common | {"n_estimators": final.best_iteration_})
            final.fit(x.iloc[known], label[known])
        score = final.predict(x.iloc[test], raw_score=True)
        result["prob_up"] = platt.predict_proba(score[:, None])[:, 1]
        for name, level in LEVELS.items():
            model = lightgbm.LGBMRegressor(objective="quantile", alpha=level, **common)
            models.append(fit(model, x, target, train, valid, patience))
            shift = np.quantile(target[later] - models[-1].predict(x.iloc[later]), level)
            result[name] = models[-1].predict(x.iloc[test]) + (0 if name == "p50" else shift)
        models.append(fit(lightgbm.LGBMRegressor(**common), x, limited, train, valid, patience))
        line = LinearRegression(fit_intercept=False)
        line.fit(models[-1].predict(x.iloc[later])[:, None], limited[later])
        result["mean"] = line.predict(models[-1].predict(x.iloc[test])[:, None])
        models.append(fit(lightgbm.LGBMRegressor(**common), x, logarithm, train, valid, patience))
        smearing = np.mean(np.exp(logarithm[later] - models[-1].predict(x.iloc[later])))
        result["volatility"] = np.exp(models[-1].predict(x.iloc[test])) * smearing * unit[test]
        results.append(pd.DataFrame(result))
        rounds.append([model.best_iteration_ for model in models])

    found = pd.concat(results)
    row = found["row"].to_numpy()
    pinball = {
        name: mean_pinball_loss(target[row], found[name], alpha=level)
        for name, level in LEVELS.items()
    }
    figures = {
        "rows": len(row),
        "auc": roc_auc_score(rose[row], found["prob_up"]),
        "log_loss": log_loss(rose[row], found["prob_up"]),
        "pinball": float(np.mean(list(pinball.values()))),
        "coverage80": float(np.mean((target[row] >= found["p10"]) & (target[row] <= found["p90"]))),
        "trees": float(np.sum(rounds)),
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
