import lightgbm
import model_market as market
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot_cripto.errors import ModelError
from bot_cripto.models.training_range import TrainingRange, read_bounds, training_range

NAMES = ("a", "b", "c")


def text(infos, names="a b c"):
    header = f"tree\nversion=v4\nfeature_names={names}\nfeature_infos={infos}\ntree_sizes=1\n\n"
    return (header + "Tree=0\nfeature_infos=[9:9] [9:9] [9:9]\n\nend of trees\n").encode()


@pytest.mark.parametrize("kind", ["trend", "return", "risk"])
def test_the_range_is_that_of_the_rows_that_were_trained_on(kind):
    trained, data = market.trained(kind), market.data()
    rows = data.features[: trained.metadata["parts"]["train"]["rows"]]
    known = training_range(data.names, [trained.files])
    assert known.judged == len(data.names)
    assert np.array_equal(known.low, rows.min(axis=0))
    assert np.array_equal(known.high, rows.max(axis=0))
    # a row at the bounds themselves is inside, also with every feature there
    assert not known.outside(rows).any()
    assert not known.outside(np.stack([known.low, known.high])).any()
    beyond = np.stack([np.nextafter(known.low, -np.inf), np.nextafter(known.high, np.inf)])
    assert known.outside(beyond.astype(np.float32)).all()


@given(st.lists(st.floats(-(2.0**100), 2.0**100, width=32), min_size=2, max_size=40))
@settings(max_examples=30, deadline=None)
def test_any_float32_bound_survives_the_text(values):
    column = np.tile(np.array(values, dtype=np.float32), 30)
    # LightGBM holds what is this close to 0 for 0
    column[np.abs(column) < 1e-30] = 0
    data = lightgbm.Dataset(
        np.column_stack([column, np.arange(len(column)) % 7]).astype(np.float32),
        np.arange(len(column)) % 2,
        feature_name=["a", "b"],
        params={"verbosity": -1, "min_data_in_leaf": 1, "min_data_in_bin": 1, "num_threads": 1},
    )
    booster = lightgbm.train({"verbosity": -1, "num_threads": 1}, data, num_boost_round=1)
    low, high = read_bounds(booster.model_to_string().encode(), ("a", "b"))
    if column.min() == column.max():
        assert np.isnan(low[0]) and np.isnan(high[0])
    else:
        assert (low[0], high[0]) == (column.min(), column.max())


def test_features_that_no_model_uses_are_not_judged():
    known = training_range(NAMES, [{"m.txt": text("[0:1] none 1:2:5")}])
    assert known.judged == 1
    rows = np.array([[0.5, 1e9, 1e9], [1.5, 0, 0], [np.nan, np.nan, np.nan]], dtype=np.float32)
    assert known.outside(rows).tolist() == [[False] * 3, [True, False, False], [True, False, False]]
    assert known.share(rows).tolist() == [0, 1, 1]


def test_outside_one_model_is_outside_all_together():
    files = {"p10.txt": text("[0:2] none none"), "p90.txt": text("[1:3] [0:1] none")}
    known = training_range(
        NAMES, [files, {"other.json": b"{}"}, {"x.txt": text("[-9:9] none none")}]
    )
    assert known.low[:2].tolist() == [1, 0] and known.high[:2].tolist() == [2, 1]
    assert np.isnan(known.low[2]) and known.judged == 2


def test_a_baseline_alone_judges_nothing():
    known = training_range(NAMES, [market.trained("baseline").files])
    rows = np.full((2, 3), 1e9, dtype=np.float32)
    assert known.judged == 0 and known.share(rows).tolist() == [0, 0]
    assert not known.outside(rows).any()


def test_no_rows_have_no_shares():
    known = TrainingRange(NAMES, *np.zeros((2, 3), dtype=np.float32))
    assert known.share(np.zeros((0, 3), dtype=np.float32)).shape == (0,)


@pytest.mark.parametrize("exponents", ["[1e-05:1e+22] [-1e-300:0] [-0:1]", "[0:1] [0:1] [0:1]"])
def test_numbers_in_any_notation_are_read(exponents):
    low, high = read_bounds(text(exponents), NAMES)
    assert np.isfinite(low).all() and (low <= high).all()


@pytest.mark.parametrize(
    ("infos", "says"),
    [
        ("[0:1] [0:1]", "ranges of 2 features, not of 3"),
        ("[0:1] [1:0] none", r"range '\[1:0\]' for b"),
        ("[0:1] [nan:1] none", r"for b"),
        ("[0:1] [0:inf] none", r"for b"),
        ("[0:1] [0] none", r"for b"),
        ("[0:1] [x:y] none", r"for b"),
        ("[0:1] 0:1] none", r"for b"),
        ("[0:1]  none", r"for b"),
    ],
)
def test_a_header_that_tells_no_range_is_refused(infos, says):
    with pytest.raises(ModelError, match=says):
        read_bounds(text(infos), NAMES)


def test_a_text_of_other_features_or_without_header_is_refused():
    with pytest.raises(ModelError, match="of other features"):
        read_bounds(text("[0:1] none none", names="a c b"), NAMES)
    with pytest.raises(ModelError, match="no feature_infos"):
        read_bounds(text("none none none").replace(b"feature_infos", b"infos", 1), NAMES)
    with pytest.raises(ModelError, match="no feature_names"):
        read_bounds(b"", NAMES)
