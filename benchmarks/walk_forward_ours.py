"""The walk-forward as the backtest runs it, on the snapshot of walk_forward_cost.py.

python benchmarks/walk_forward_ours.py SNAPSHOT FOLDS SETTINGS
"""

from __future__ import annotations

import json
import sys

import numpy as np

from bot_cripto import metrics
from bot_cripto.models import apply, walk_forward
from bot_cripto.models.settings import TrainingSettings
from bot_cripto.models.snapshot import read_snapshot, training_data


def main() -> None:
    settings = TrainingSettings(**json.loads(sys.argv[3]))
    snapshot = read_snapshot(sys.argv[1])
    results = walk_forward.walk_forward(training_data(snapshot), settings, int(sys.argv[2]))
    row, found = walk_forward.join(results)
    unit = apply.scale(snapshot.features[row], snapshot.names, settings.horizon_steps)
    target = snapshot.forward_return[row] / unit
    rose = (target > 0).astype(np.float64)
    low, middle, high = (found[name] / unit for name in ("p10", "p50", "p90"))
    pinball = [
        metrics.pinball(quantile, target, level)
        for quantile, level in ((low, 0.1), (middle, 0.5), (high, 0.9))
    ]
    rounds = [
        sum(trained.metadata["rounds"].values())
        for result in results
        for trained in result.trained.values()
    ]
    figures = {
        "rows": len(row),
        "auc": metrics.auc(found["prob_up"], rose),
        "log_loss": metrics.log_loss(found["prob_up"], rose),
        "pinball": float(np.mean(pinball)),
        "coverage80": metrics.coverage(low, high, target),
        "trees": float(np.sum(rounds)),
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
