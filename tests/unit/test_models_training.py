import itertools
import subprocess
import sys
from dataclasses import replace

import model_market as market
import numpy as np
import pytest

from bot_cripto.errors import ModelError
from bot_cripto.models import apply
from bot_cripto.models.dissimilarity import FILE as DISSIMILARITY
from bot_cripto.models.snapshot import build_snapshot, training_data
from bot_cripto.models.training import TRAINERS, prepare, train
from bot_cripto.timeframes import parse_iso

KINDS = ("trend", "return", "risk", "baseline")


def model(kind):
    trained = market.trained(kind)
    return apply.make_model(kind, trained.metadata, trained.files)


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_training_again_gives_the_same_bytes(kind):
    one, again = market.trained(kind), train(kind, market.data(), market.SETTINGS)
    assert again.files == one.files
    assert again.metadata == one.metadata
    assert again.metrics == one.metrics


def test_any_number_of_threads_gives_the_same_bytes():
    settings = replace(market.SETTINGS, rounds=3)
    texts = []
    for threads in (1, 2):
        prepared = prepare(market.data(), settings, num_threads=threads)
        target = market.data().forward_return / prepared.unit
        quantile = prepared.binned.fit(target, prepared.weight, {"objective": "quantile"})
        others = [TRAINERS[kind](prepared).files for kind in ("trend", "risk")]
        texts.append((quantile.text, others))
    assert texts[0] == texts[1]


def test_another_seed_gives_other_trees():
    other = train("risk", market.data(), replace(market.SETTINGS, seed=2))
    assert other.files != market.trained("risk").files


@pytest.mark.parametrize("kind", KINDS[:3])
def test_models_hold_text_alone_without_parameters(kind):
    files = market.trained(kind).files
    assert all(content.isascii() for content in files.values())
    texts = {name: content for name, content in files.items() if name != DISSIMILARITY}
    assert texts
    for name, content in texts.items():
        assert name.endswith(".txt")
        assert content.startswith(b"tree\n")
        assert b"parameters:" not in content


def test_parts_are_disjoint_with_a_purge_of_the_horizon():
    parts = market.trained("trend").metadata["parts"]
    assert list(parts) == ["train", "validation", "calibration", "holdout"]
    for before, after in itertools.pairwise(parts.values()):
        gap = parse_iso(after["first_candle"]) - parse_iso(before["last_candle"])
        settings = market.SETTINGS
        assert gap > (settings.horizon_steps + settings.embargo_steps) * market.STEP_MS
        assert parse_iso(before["labels_end"]) <= parse_iso(after["first_candle"])
    assert parse_iso(parts["holdout"]["labels_end"]) <= market.cutoff()


def scrambled(part_names):
    """Return the data with everything of those parts replaced by noise."""
    data, prepared = market.data(), prepare(market.data(), market.SETTINGS)
    random = np.random.default_rng(0)
    columns = {
        name: getattr(data, name).copy()
        for name in ("features", "forward_return", "realised_volatility", "trend_label")
    }
    for name in part_names:
        rows = prepared.parts[name]
        for column in columns.values():
            column[rows] = random.permutation(column[rows]) * 1.5
        columns["trend_label"][rows] = random.integers(0, 2, rows.stop - rows.start)
    return replace(data, **columns)


@pytest.mark.parametrize("kind", ["return", "risk"])
def test_trees_see_neither_calibration_nor_holdout(kind):
    changed = train(kind, scrambled(["calibration", "holdout"]), market.SETTINGS)
    one = market.trained(kind)
    assert changed.files == one.files
    assert changed.metadata["calibration"] != one.metadata["calibration"]


def test_the_trend_is_trained_again_on_all_parts_but_the_holdout():
    one, trees = market.trained("trend"), []
    for part in ("train", "validation", "calibration"):
        trained = train("trend", scrambled([part]), market.SETTINGS)
        trees.append(trained.files["direction.txt"])
        if part == "calibration":
            # What stops training is decided before the calibration part is learnt from.
            assert trained.metadata["rounds"] == one.metadata["rounds"]
    assert len({one.files["direction.txt"], *trees}) == 4
    assert one.files["direction.txt"].count(b"\nTree=") == one.metadata["rounds"]["direction"]


def test_a_past_that_rose_more_often_than_it_fell_promises_no_rises():
    data = market.data()
    parts = prepare(data, market.SETTINGS).parts
    up = np.random.default_rng(3).random(len(data)) < 0.7
    up[parts["calibration"]] = np.arange(len(up[parts["calibration"]])) % 2 == 0
    forward = np.where(up, 1.0, -1.0) * np.abs(data.forward_return)
    rising = replace(data, forward_return=forward, trend_label=up.astype(float))
    trained = train("trend", rising, market.SETTINGS)
    model = apply.make_model("trend", trained.metadata, trained.files)
    prob_up = apply.predict(model, data.features)["prob_up"]
    assert prob_up.mean() == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize("kind", KINDS)
def test_the_holdout_changes_nothing_but_the_metrics(kind):
    changed = train(kind, scrambled(["holdout"]), market.SETTINGS)
    one = market.trained(kind)
    assert changed.files == one.files
    assert changed.metadata == one.metadata
    assert changed.metrics != one.metrics


def test_validation_rows_stop_training_but_do_not_train():
    settings = replace(market.SETTINGS, early_stopping_rounds=100)
    trees = []
    for data in (market.data(), scrambled(["validation"])):
        text = train("risk", data, settings).files["volatility.txt"].decode()
        # The texts agree up to where the better validation loss made one longer.
        trees.append(text[text.index("\nTree=0\n") :].split("\nend of trees")[0].rstrip("\n"))
    short, long = sorted(trees, key=len)
    assert long.startswith(short)


def test_quantiles_never_cross_whatever_the_row():
    random = np.random.default_rng(1)
    data = market.data()
    wild = data.features[random.integers(0, len(data), 3000)].copy()
    wild *= random.choice([-100, 0.01, 1, 3, 1000], size=wild.shape).astype(np.float32)
    columns = apply.predict(model("return"), wild)
    assert (columns["p10"] <= columns["p50"]).all()
    assert (columns["p50"] <= columns["p90"]).all()


def test_about_a_tenth_of_the_calibration_part_lies_beyond_each_outer_quantile():
    data, rows = market.data(), prepare(market.data(), market.SETTINGS).parts["calibration"]
    independent = market.trained("return").metadata["calibration_independent"]
    assert independent == (rows.stop - rows.start) // 3
    level = np.ceil((independent + 1) * 0.9) / independent
    columns = apply.predict(model("return"), data.features[rows])
    outcome = data.forward_return[rows]
    assert 0.9 < level < 0.92
    assert np.mean(outcome < columns["p10"]) == pytest.approx(1 - level, abs=2 / len(outcome))
    assert np.mean(outcome > columns["p90"]) == pytest.approx(1 - level, abs=2 / len(outcome))


def test_equal_prices_at_the_horizon_do_not_count_as_falls():
    data = market.data()
    forward = data.forward_return.copy()
    forward[prepare(data, market.SETTINGS).parts["calibration"]] = 0.0
    trained = train("trend", replace(data, forward_return=forward), market.SETTINGS)
    assert trained.metadata["calibration"]["intercept"] == pytest.approx(0, abs=0.03)


def test_crossing_trees_are_rearranged():
    base = model("return")
    swapped = dict(base.boosters) | {
        "p10": base.boosters["p90"],
        "p90": base.boosters["p10"],
    }
    columns = apply.predict(apply.Model("return", base.metadata, swapped), market.data().features)
    assert (columns["p10"] <= columns["p50"]).all()
    assert (columns["p50"] <= columns["p90"]).all()
    assert (columns["p10"] < columns["p90"]).any()


def test_forecasts_are_in_range_and_quantiles_widen_with_volatility():
    features = market.data().features
    trend, risk, returns = (apply.predict(model(k), features) for k in ("trend", "risk", "return"))
    assert ((trend["prob_up"] > 0) & (trend["prob_up"] < 1)).all()
    assert (risk["volatility"] > 0).all()
    assert ((risk["risk_rank"] >= 0) & (risk["risk_rank"] <= 1)).all()
    unit = apply.scale(features, market.data().names, 3)
    assert np.corrcoef(returns["p90"] - returns["p10"], unit)[0, 1] > 0.8


def test_planted_momentum_is_found_and_honestly_measured():
    assert market.trained("trend").metrics["auc"] > 0.55
    assert market.trained("trend").metrics["brier"] < 0.25
    assert market.trained("return").metrics["coverage80"] == pytest.approx(0.8, abs=0.08)
    assert market.trained("return").metrics["mean_r2"] > 0
    assert market.trained("risk").metrics["volatility_bias"] == pytest.approx(1, abs=0.15)
    assert market.trained("baseline").metrics["auc"] == 0.5


def test_without_an_edge_no_return_is_expected():
    candles = market.random_candles(5000, seed=5)
    data = training_data(build_snapshot(candles, "5m", market.SETTINGS, market.cutoff()))
    trained = train("return", data, market.SETTINGS)
    forecast = apply.predict(
        apply.make_model("return", trained.metadata, trained.files), data.features
    )
    unit = apply.scale(data.features, data.names, 3)
    assert np.mean(np.abs(forecast["expected_return"])) < 0.05 * unit.mean()


def test_importance_is_a_share_by_feature():
    for kind in KINDS[:3]:
        for shares in market.trained(kind).importance.values():
            assert list(shares) == list(market.data().names)
            assert sum(shares.values()) == pytest.approx(1)


def test_prepared_once_or_each_kind_alone_is_the_same():
    alone = train("return", market.data(), market.SETTINGS)
    shared = prepare(market.data(), market.SETTINGS)
    TRAINERS["trend"](shared)
    assert TRAINERS["return"](shared).files == alone.files


def rows(n):
    data = market.data()
    names = (
        "index",
        "open_time",
        "features",
        "forward_return",
        "realised_volatility",
        "trend_label",
        "label_end",
    )
    return replace(data, **{name: getattr(data, name)[:n] for name in names})


def test_too_few_rows_are_refused_by_all_but_the_baseline():
    for kind in KINDS[:3]:
        with pytest.raises(ModelError, match="999 usable rows are too few to train on"):
            train(kind, rows(999), market.SETTINGS)
    assert train("baseline", rows(500), market.SETTINGS).kind == "baseline"
    with pytest.raises(ModelError, match="too few even for the baseline"):
        train("baseline", rows(499), market.SETTINGS)


def test_another_horizon_than_the_labels_is_refused():
    for kind in ("trend", "baseline"):
        with pytest.raises(ModelError, match="labelled for 3 candles ahead, the settings say 5"):
            train(kind, market.data(), replace(market.SETTINGS, horizon_steps=5))


def test_a_market_that_only_rises_is_refused_by_the_classifier():
    data = replace(market.data(), trend_label=np.ones(len(market.data())))
    with pytest.raises(ModelError, match="has not both rises and falls"):
        train("trend", data, market.SETTINGS)


def test_the_baseline_is_plain():
    features = market.data().features[:50]
    columns = apply.predict(model("baseline"), features)
    assert (columns["expected_return"] == 0).all()
    assert len(set(columns["prob_up"])) == 1
    assert abs(columns["prob_up"][0] - 0.5) < 0.03
    assert (columns["p10"] < columns["p50"]).all()
    assert (columns["p50"] < columns["p90"]).all()
    assert np.ptp(columns["volatility"] / apply.scale(features, market.data().names, 3)) < 1e-12
    assert set(market.trained("baseline").files) == {DISSIMILARITY}


def test_triple_barrier_labels_can_be_trained_on():
    settings = replace(market.SETTINGS, label="triple_barrier")
    data = training_data(build_snapshot(market.snapshot().candles, "5m", settings, market.cutoff()))
    trained = train("trend", data, settings)
    assert trained.metrics["auc"] > 0.55


def test_a_matrix_of_other_width_is_refused():
    with pytest.raises(ModelError, match="features a row"):
        apply.predict(model("trend"), np.zeros((1, 3), np.float32))


def test_a_model_without_weights_knows_nothing_of_the_weights_of_the_model_before():
    settings = replace(market.SETTINGS, rounds=3)
    target = market.data().forward_return * 1e3
    weight = np.where(np.arange(len(target)) % 2, 5.0, 1.0)
    fresh, used = (prepare(market.data(), settings).binned for _ in range(2))
    weighted = used.fit(target, weight, {"objective": "quantile"})
    assert used.fit(target, None, {"objective": "quantile"}) == fresh.fit(
        target, None, {"objective": "quantile"}
    )
    assert weighted.text != fresh.fit(target, None, {"objective": "quantile"}).text
    assert used.fit(target, weight, {"objective": "quantile"}) == weighted


def test_rows_are_weighed_only_where_their_labels_are_not_equally_unique():
    whole = market.data()
    assert prepare(whole, market.SETTINGS).weight is None
    # Every eighth candle is missing: labels beside the gaps overlap fewer others.
    kept = whole.index % 8 != 0
    columns = {
        name: getattr(whole, name)[kept]
        for name in (
            "index",
            "open_time",
            "features",
            "forward_return",
            "realised_volatility",
            "trend_label",
            "label_end",
        )
    }
    gappy = prepare(replace(whole, **columns), market.SETTINGS)
    assert gappy.weight is not None
    train = gappy.weight[gappy.parts["train"]]
    horizon = market.SETTINGS.horizon_steps
    assert train.max() <= 1.0
    assert np.isclose(train[10:-10].min(), 1.0 / horizon)
    assert np.mean(train > 1.01 / horizon) > 0.3


def test_training_imports_lightgbm_without_what_it_does_not_need():
    code = (
        "import sys; from bot_cripto.models.boosting import _lightgbm; found = _lightgbm()\n"
        "heavy = {'pandas', 'sklearn', 'matplotlib', 'dask'} & set(sys.modules)\n"
        "import importlib.util as u\n"
        "print(found.__name__, sorted(heavy), u.find_spec('pandas') is not None)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[0] == "lightgbm [] True"
