import os
import shutil
import subprocess
import sys
import textwrap
from dataclasses import replace

import model_market as market
import numpy as np
import pytest

from bot_cripto.errors import DataError, ModelError
from bot_cripto.forecast import ModelUse
from bot_cripto.models import apply, reference
from bot_cripto.models.bad_marks import bad_path, mark_bad
from bot_cripto.models.champion import read_champion
from bot_cripto.models.champion_change import promote
from bot_cripto.models.forecast import (
    Loaded,
    Subject,
    forecast_row,
    forecast_rows,
    forecasts,
    load_champion,
    outside_share,
    risk_score,
)
from bot_cripto.models.version_writer import write_version

SUBJECT = Subject("BTC/USDT", "simulated", "5m", 3)


def write(models_dir, kind, **changes):
    version = write_version(
        models_dir, market.trained(kind), market.origin(**changes), market.reference_rows()
    )
    return version, ModelUse(version.name, version.sha256, f"run-{kind}")


def put(models_dir, kinds, **changes):
    about = {"source": "simulated", "timeframe": "5m", "horizon_steps": 3}
    return promote(
        models_dir,
        "BTC/USDT",
        kinds,
        provisional=True,
        reason="first models",
        promoted_at_ms=market.cutoff(),
        **(about | changes),
    )


@pytest.fixture
def models(tmp_path):
    """Return the folder of an earlier and a present champion, and the present versions."""
    put(tmp_path, {k: write(tmp_path, k, code_sha256="0" * 64)[1] for k in apply.KINDS})
    versions = {k: write(tmp_path, k) for k in apply.KINDS}
    put(tmp_path, {k: use for k, (_, use) in versions.items()})
    return tmp_path, {k: version for k, (version, _) in versions.items()}


def row(i=-1):
    return market.data().features[i]


def forecast(models_dir, features=None, subject=SUBJECT, **changes):
    return forecast_row(
        models_dir,
        read_champion(models_dir, "BTC/USDT"),
        subject,
        market.data().names,
        row() if features is None else features,
        **({"vol_ref": 0.02} | changes),
    )


def test_the_models_in_use_forecast(models):
    folder, versions = models
    result = forecast(folder)
    assert 0 < result.prob_up < 1
    assert result.p10 <= result.p50 <= result.p90
    assert result.volatility > 0
    assert result.risk_score == pytest.approx(result.volatility / 0.02)
    assert 0 <= result.risk_rank <= 1
    assert result.notes == ()
    assert result.models == {
        kind: ModelUse(v.name, v.sha256, f"run-{kind}") for kind, v in versions.items()
    }


def test_one_row_and_many_rows_agree_to_the_bit(models):
    folder, _ = models
    loaded = load_champion(folder, read_champion(folder, "BTC/USDT"), SUBJECT)
    columns = forecast_rows(loaded, market.data().features[-40:])
    for i in (-1, -17, -40):
        result = forecast(folder, row(i))
        for name, column in columns.items():
            assert getattr(result, name) == column[i]


def test_features_outside_the_training_range_are_named_and_counted(models):
    folder, _ = models
    names = market.data().names
    train = market.trained("trend").metadata["parts"]["train"]["rows"]
    inside = forecast(folder, row(train - 1))
    assert (inside.outside, inside.features) == ((), len(names))
    strange = row(train - 1).copy()
    strange[[3, 7]] = 1e6, -1e6
    result = forecast(folder, strange)
    assert result.outside == (names[3], names[7])
    loaded = load_champion(folder, read_champion(folder, "BTC/USDT"), SUBJECT)
    shares = outside_share(loaded, np.stack([row(train - 1), strange]))
    assert shares.tolist() == [0, 2 / len(names)]


def test_the_oldest_model_in_use_tells_until_when_was_trained(models):
    folder, versions = models
    assert forecast(folder).trained_until_ms == market.cutoff()
    older = market.cutoff() - 86_400_000
    _, use = write(folder, "risk", cutoff_ms=older)
    uses = {k: ModelUse(v.name, v.sha256, None) for k, v in versions.items()}
    put(folder, uses | {"risk": use})
    assert forecast(folder).trained_until_ms == older


def test_a_baseline_knows_no_range_but_its_age(tmp_path):
    write(tmp_path, "baseline")
    result = forecast(tmp_path)
    assert (result.outside, result.features) == ((), 0)
    assert result.trained_until_ms == market.cutoff()


def test_the_trend_model_tells_how_unlike_its_training_data_a_row_is(models):
    folder, _ = models
    train = market.trained("trend").metadata["parts"]["train"]["rows"]
    assert forecast(folder, row(train // 2)).dissimilarity < 1
    strange = row(train // 2).copy()
    strange[3] += 100 * market.data().features[:train, 3].std()
    assert forecast(folder, strange).dissimilarity > 1
    matrix = np.stack([row(train // 2), strange, row()])
    loaded = load_champion(folder, read_champion(folder, "BTC/USDT"), SUBJECT)
    together = forecasts(loaded, market.data().names, matrix, vol_ref=0.02)
    assert [f.dissimilarity for f in together] == [
        forecast(folder, r).dissimilarity for r in matrix
    ]


def test_a_trend_model_made_before_it_was_measured_tells_no_dissimilarity(tmp_path):
    trend = market.trained("trend")
    old = replace(trend, files={n: c for n, c in trend.files.items() if n.endswith(".txt")})
    version = write_version(tmp_path, old, market.origin(), market.reference_rows())
    uses = {k: write(tmp_path, k)[1] for k in ("return", "risk")}
    put(tmp_path, uses | {"trend": ModelUse(version.name, version.sha256, None)})
    result = forecast(tmp_path)
    assert result.dissimilarity is None
    assert 0 < result.prob_up < 1 and result.notes == ()


def test_a_baseline_that_stands_in_for_trend_tells_the_dissimilarity(models):
    folder, _ = models
    write(folder, "baseline")
    of_trend = forecast(folder).dissimilarity
    shutil.rmtree(folder / "trend")
    result = forecast(folder)
    assert "baseline" in result.models
    # both were trained on all rows before the same holdout
    assert result.dissimilarity == of_trend > 0


def test_models_whose_range_was_not_read_judge_nothing(models):
    _, versions = models
    made = Loaded.of(versions, {})
    bare = Loaded(made.models, {}, ())
    assert outside_share(made, market.data().features[:3]).tolist() == [0, 0, 0]
    with pytest.raises(ModelError, match=r"make them by Loaded\.of"):
        outside_share(bare, market.data().features[:3])


def test_models_of_different_features_do_not_speak_together(models):
    _, versions = models
    trend = versions["trend"]
    other = replace(trend, metadata=trend.metadata | {"features": ["x"]})
    with pytest.raises(ModelError, match=r"\(risk, trend\) were trained on different features"):
        Loaded.of({"risk": versions["risk"], "trend": other}, {})


def test_the_risk_score_is_clipped(models):
    folder, _ = models
    assert forecast(folder, vol_ref=1e-6).risk_score == 1
    assert risk_score(np.array([0.0, 0.01, 0.5]), 0.02).tolist() == [0, 0.5, 1]


@pytest.mark.parametrize("kind", apply.KINDS)
def test_a_broken_model_is_replaced_by_the_earlier_one_and_told(models, kind):
    folder, versions = models
    (versions[kind].path / "metadata.json").write_text("{")
    result = forecast(folder)
    earlier = read_champion(folder, "BTC/USDT").history[0].kinds[kind]
    assert result.models[kind] == earlier
    assert "metadata.json is damaged" in result.notes[0]
    assert result.notes[1] == f"The earlier {kind} model {earlier.version} stands in."
    assert set(result.models) == set(apply.KINDS)


def test_a_version_that_was_promoted_again_speaks_before_the_one_between(tmp_path):
    _, a = write(tmp_path, "trend", code_sha256="a" * 64)
    between, b = write(tmp_path, "trend", code_sha256="b" * 64)
    others = {k: write(tmp_path, k)[1] for k in ("return", "risk")}
    for use in (a, b, a):
        put(tmp_path, {"trend": use, **others})
    result = forecast(tmp_path)
    assert result.models["trend"] == a
    assert result.notes == ()
    shutil.rmtree(between.path.parent / a.version)
    assert forecast(tmp_path).models["trend"] == b


def test_without_an_earlier_one_the_baseline_stands_in(models):
    folder, _ = models
    version, _ = write(folder, "baseline")
    shutil.rmtree(folder / "trend")
    result = forecast(folder)
    assert set(result.models) == {"return", "risk", "baseline"}
    assert result.models["baseline"] == ModelUse(version.name, version.sha256, None)
    assert result.prob_up == version.metadata["calibration"]["prob_up"]
    assert "stands in for trend: no usable trained model" in result.notes[-1]
    assert len(result.notes) == 3


def test_without_anything_the_error_is_that_of_the_runbook(models):
    folder, _ = models
    for kind in apply.KINDS:
        shutil.rmtree(folder / kind)
    with pytest.raises(ModelError) as caught:
        forecast(folder)
    text = str(caught.value)
    assert text.startswith("No trend/return/risk models or baseline model found for BTC/USDT 5m")
    assert text.endswith("run: snakemake retrain")


def test_a_symbol_without_champion_runs_on_its_baseline_or_not_at_all(tmp_path):
    with pytest.raises(ModelError, match="No trend/return/risk models or baseline model found"):
        forecast(tmp_path)
    write(tmp_path, "baseline")
    result = forecast(tmp_path)
    assert set(result.models) == {"baseline"}
    assert result.expected_return == 0
    assert "stands in for trend, return, risk" in result.notes[0]


def test_a_baseline_champion_says_so(models):
    folder, _ = models
    _, use = write(folder, "baseline")
    put(folder, {"baseline": use})
    result = forecast(folder)
    assert result.models == {"baseline": use}
    assert len(result.notes) == 1
    assert result.notes[0].startswith("Baseline model (made of ")
    assert "first models" in result.notes[0]


def test_a_baseline_of_another_source_is_not_used(tmp_path):
    write(tmp_path, "baseline", source="binance")
    with pytest.raises(ModelError, match=r"baseline model .* cannot be used"):
        forecast(tmp_path)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"source": "binance"}, "source simulated, this run has binance"),
        ({"timeframe": "1h"}, "timeframe 5m, this run has 1h"),
        ({"horizon_steps": 12}, "horizon_steps 3, this run has 12"),
    ],
)
def test_a_champion_about_something_else_is_refused(models, change, text):
    folder, _ = models
    with pytest.raises(ModelError, match=text) as caught:
        forecast(folder, subject=replace(SUBJECT, **change))
    assert str(caught.value).endswith("run: snakemake retrain")


def test_earlier_champions_of_another_subject_do_not_stand_in(models):
    folder, versions = models
    put(folder, {k: ModelUse(v.name, v.sha256, None) for k, v in versions.items()}, source="x")
    with pytest.raises(ModelError, match="No trend/return/risk models") as caught:
        forecast(folder, subject=replace(SUBJECT, source="x"))
    # One sentence a kind: those of the other source are not even tried.
    assert str(caught.value).count("cannot be used") == 3


def test_a_version_of_another_symbol_is_not_used(models):
    folder, _ = models
    shutil.rmtree(folder / "risk")
    foreign, use = write(folder, "risk", symbol="ETH/USDT")
    shutil.move(foreign.path.parent, folder / "risk" / "BTC_USDT")
    put(folder, {"risk": use}, keep_others=True)
    write(folder, "baseline")
    result = forecast(folder)
    assert "is of ('risk', 'ETH/USDT'" in result.notes[0]
    assert set(result.models) == {"trend", "return", "baseline"}


def test_a_swapped_version_is_not_the_promoted_one(models):
    folder, versions = models
    use = ModelUse(versions["trend"].name, "9" * 64, None)
    put(folder, {"trend": use}, keep_others=True)
    assert "not the one that was promoted" in forecast(folder).notes[0]


def test_missing_features_are_named(models):
    folder, _ = models
    bad = row().copy()
    bad[[2, 5]] = np.nan, np.inf
    names = market.data().names
    with pytest.raises(DataError, match=rf"no value for {names[2]}, {names[5]}"):
        forecast(folder, bad)
    with pytest.raises(DataError, match=r"and [0-9]+ more"):
        forecast(folder, np.full_like(bad, np.nan))


def test_features_in_another_order_are_refused(models):
    folder, _ = models
    with pytest.raises(ModelError, match="trained on other features"):
        forecast_row(
            folder,
            read_champion(folder, "BTC/USDT"),
            SUBJECT,
            market.data().names[::-1],
            row(),
            vol_ref=0.02,
        )


def test_incompatible_models_fall_back_and_are_told(models, monkeypatch):
    folder, _ = models
    monkeypatch.setattr(reference, "incompatibility", lambda content: "the moon changed")
    with pytest.raises(ModelError, match="does not fit today's features: the moon changed"):
        forecast(folder)


def test_the_way_to_a_forecast_imports_no_heavy_package(models, tmp_path):
    folder, _ = models
    np.save(tmp_path / "row.npy", row())
    program = f"""
        import os
        import sys
        import numpy as np
        from bot_cripto.features.catalogue import FEATURE_NAMES
        from bot_cripto.models.champion import read_champion
        from bot_cripto.models.forecast import Subject, forecast_row
        row = np.load({str(tmp_path / "row.npy")!r})
        champion = read_champion({str(folder)!r}, "BTC/USDT")
        subject = Subject("BTC/USDT", "simulated", "5m", 3)
        result = forecast_row({str(folder)!r}, champion, subject, FEATURE_NAMES, row, vol_ref=0.02)
        print(repr(result.prob_up))
        heavy = "lightgbm sklearn pandas scipy mlflow pyarrow ccxt".split()
        print(*sorted({{name.partition(".")[0] for name in sys.modules}} & set(heavy)))
        ours = [name for name in sys.modules if name.startswith("bot_cripto.models.")]
        print(*sorted(ours))
        print(len(os.listdir("/proc/self/task")))
    """
    environment = {k: v for k, v in os.environ.items() if not k.startswith("OMP_")}
    environment |= {"PYTHONPATH": os.pathsep.join(sys.path), "OPENBLAS_NUM_THREADS": "1"}
    run = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
    )
    probability, heavy, ours, threads = run.stdout.splitlines()
    assert float(probability) == forecast(folder).prob_up
    assert heavy == ""
    # Training code must not be on the live path: editing it would make signals stale.
    assert not {"training", "boosting", "snapshot", "baseline"} & {
        name.rpartition(".")[2] for name in ours.split()
    }
    # A second OpenMP thread would only wait for work, at the price of a busy core.
    assert threads == "1"


def mark(folder, kind, version, **changes):
    said = {"reason": "loses", "by": "ana", "now_ms": market.cutoff()} | changes
    mark_bad(folder, "BTC/USDT", kind, version, **said)


@pytest.mark.parametrize("kind", apply.KINDS)
def test_a_version_that_is_marked_bad_gives_way_to_the_earlier_one(models, kind):
    folder, versions = models
    earlier = read_champion(folder, "BTC/USDT").history[0].kinds[kind]
    mark(folder, kind, versions[kind].name)
    result = forecast(folder)
    assert result.models[kind] == earlier
    assert result.notes == (
        f"The {kind} model {versions[kind].name} cannot be used: it is marked bad: loses.",
        f"The earlier {kind} model {earlier.version} stands in.",
    )
    mark(folder, kind, versions[kind].name, bad=False)
    assert forecast(folder).notes == ()


def test_where_all_of_a_kind_are_bad_the_baseline_speaks_unless_it_is_bad_too(models):
    folder, versions = models
    version, use = write(folder, "baseline")
    earlier = read_champion(folder, "BTC/USDT").history[0].kinds["risk"].version
    for name in (versions["risk"].name, earlier):
        mark(folder, "risk", name)
    assert forecast(folder).models["baseline"].version == version.name
    mark(folder, "baseline", use.version)
    with pytest.raises(ModelError, match="No trend/return/risk models or baseline") as told:
        forecast(folder)
    assert str(told.value).count("is marked bad: loses") == 3


def test_marks_that_cannot_be_read_stop_every_model(models):
    folder, _ = models
    bad_path(folder, "BTC/USDT").mkdir(parents=True)
    with pytest.raises(ModelError, match=r"bad marks .* cannot be read"):
        forecast(folder)
