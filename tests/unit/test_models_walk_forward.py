from dataclasses import replace

import model_market as market
import numpy as np
import pytest

from bot_cripto.errors import ModelError
from bot_cripto.metrics import auc
from bot_cripto.models import apply, fold_file, walk_forward
from bot_cripto.timeframes import parse_iso

SETTINGS = replace(market.SETTINGS, min_rows=900)


def test_folds_grow_and_forecast_every_later_row_once():
    data = market.data()
    folds = walk_forward.make_folds(data, 4, SETTINGS)
    assert folds[0].start == pytest.approx(0.4 * len(data), abs=1)
    assert [f.number for f in folds] == [0, 1, 2, 3]
    covered = np.concatenate([np.arange(f.start, f.stop) for f in folds])
    assert np.array_equal(covered, np.arange(folds[0].start, len(data)))
    for fold in folds:
        gap = data.index[fold.start] - data.index[fold.train_stop - 1]
        assert gap > SETTINGS.horizon_steps + SETTINGS.embargo_steps


def test_models_of_a_fold_know_nothing_of_what_they_forecast():
    data = market.data()
    fold = walk_forward.make_folds(data, 3, SETTINGS)[1]
    result = walk_forward.run_fold(data, SETTINGS, fold)
    parts = result.trained["trend"].metadata["parts"]
    assert list(parts) == ["train", "validation", "calibration"]
    first = int(data.open_time[fold.start])
    assert parse_iso(parts["calibration"]["labels_end"]) <= first
    future = replace(
        data,
        **{
            name: np.r_[getattr(data, name)[: fold.start], getattr(data, name)[fold.start :][::-1]]
            for name in ("forward_return", "realised_volatility", "trend_label")
        },
    )
    again = walk_forward.run_fold(future, SETTINGS, fold)
    for name, column in result.forecasts.items():
        assert np.array_equal(column, again.forecasts[name])


def test_forecasts_have_every_column_and_find_the_planted_momentum():
    data = market.data()
    results = walk_forward.walk_forward(data, SETTINGS, 2)
    index, columns = walk_forward.join(results)
    assert set(columns) == {name for names in apply.COLUMNS.values() for name in names}
    assert all(len(column) == len(index) for column in columns.values())
    rows = np.searchsorted(data.index, index)
    assert auc(columns["prob_up"], (data.forward_return[rows] > 0).astype(float)) > 0.55


def test_too_little_for_the_folds_is_refused():
    with pytest.raises(ModelError, match="too few for 4 folds"):
        walk_forward.make_folds(market.data(), 4, replace(SETTINGS, min_rows=3000))
    with pytest.raises(ModelError, match="too few for 9000 folds"):
        walk_forward.make_folds(market.data(), 9000, SETTINGS)


def test_a_rolling_window_keeps_the_length_of_the_first():
    data = market.data()
    growing = walk_forward.make_folds(data, 4, SETTINGS)
    rolling = walk_forward.make_folds(data, 4, SETTINGS, "rolling")
    assert [f.train_start for f in growing] == [0, 0, 0, 0]
    assert {f.train_stop - f.train_start for f in rolling} == {growing[0].train_stop}
    for a, b in zip(growing, rolling, strict=True):
        assert (a.train_stop, a.start, a.stop) == (b.train_stop, b.start, b.stop)
    result = walk_forward.run_fold(data, SETTINGS, rolling[2], ("trend",))
    parts = result.trained["trend"].metadata["parts"]
    assert sum(part["rows"] for part in parts.values()) <= growing[0].train_stop


def test_a_fold_from_its_file_forecasts_the_same(tmp_path):
    data = market.data()
    fold = walk_forward.make_folds(data, 3, SETTINGS)[1]
    made = walk_forward.run_fold(data, SETTINGS, fold)
    fold_file.write_fold(tmp_path / "1.json", made, data.snapshot_sha256)
    (read,) = fold_file.read_folds([tmp_path / "1.json"], data)
    assert read.fold == made.fold and np.array_equal(read.index, made.index)
    assert read.trained == made.trained
    for name, values in made.forecasts.items():
        assert np.array_equal(read.forecasts[name], values)
    with pytest.raises(ModelError, match="another snapshot"):
        fold_file.read_folds([tmp_path / "1.json"], replace(data, snapshot_sha256="0" * 64))
    fold_file.write_no_fold(tmp_path / "1.json", "too few rows")
    with pytest.raises(ModelError, match="too few rows"):
        fold_file.read_folds([tmp_path / "1.json"], data)
