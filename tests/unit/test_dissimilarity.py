import json

import model_market as market
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot_cripto.errors import ModelError
from bot_cripto.models import training_cover as cover_module
from bot_cripto.models.dissimilarity import FILE, LIMIT, Dissimilarity, read_dissimilarity
from bot_cripto.models.training_cover import CANDIDATES, LEFT_OUT, POINTS, training_cover
from bot_cripto.timeframes import parse_iso

SIMPLE = Dissimilarity(
    np.array([0, 10], np.float32),
    np.array([1, 0.5], np.float32),
    np.array([2, 1], np.float32),
    np.array([[0, 0], [4, 0]], np.float32),
    2.0,
)


def rows(n=3000, width=5, seed=0):
    """Return rows of skewed, slowly changing features."""
    random = np.random.default_rng(seed)
    level = np.cumsum(random.standard_normal((n, width)), axis=0)
    level -= 0.02 * np.cumsum(level, axis=0) / np.arange(1, n + 1)[:, None]
    return np.exp(0.02 * level + 0.3 * random.standard_normal((n, width))).astype(np.float32)


def plain(known, matrix):
    """Return the dissimilarity by its definition, in double precision."""
    matrix = matrix.astype(np.float64)
    apart = matrix - known.centre
    scaled = np.clip(apart * np.where(apart < 0, known.below, known.above), -LIMIT, LIMIT)
    distances = np.linalg.norm(scaled[:, None, :] - known.points[None, :, :], axis=2)
    return distances.min(axis=1) / known.unit


def test_the_distance_is_to_the_nearest_point_in_spreads_of_its_side():
    matrix = np.array(
        [[0, 10], [2, 10], [1, 10], [-3, 10], [0, 14], [0, 2], [1000, 10]], np.float32
    )
    # the second point lies at (2, 10); the last row is cut to 20 spreads, 16 from it
    assert SIMPLE.of(matrix).tolist() == [0, 0, 1, 1.5, 2, 2, 8]


def test_what_is_not_known_has_no_dissimilarity():
    assert np.isnan(SIMPLE.of(np.array([[np.nan, 10]], np.float32))).all()
    assert SIMPLE.of(np.empty((0, 2), np.float32)).shape == (0,)
    with pytest.raises(ModelError, match=r"2 features, the matrix has the shape \(1, 3\)"):
        SIMPLE.of(np.zeros((1, 3), np.float32))
    with pytest.raises(ModelError, match=r"shape \(2,\)"):
        SIMPLE.of(np.zeros(2, np.float32))


def test_it_is_what_its_definition_says_and_survives_the_file():
    training, later = rows(), rows(600, seed=1)
    known = training_cover(training)
    read = read_dissimilarity({"direction.txt": b"", FILE: known.to_bytes()})
    assert np.array_equal(read.of(later), known.of(later))
    assert known.of(later) == pytest.approx(plain(known, later), rel=1e-5, abs=1e-6)
    assert len(known.points) == POINTS


@given(st.integers(0, 2**32 - 1), st.integers(1, 700))
@settings(max_examples=20, deadline=None)
def test_a_row_is_the_same_to_the_bit_whatever_stands_beside_it(seed, n):
    known = training_cover(rows(400, seed=seed % 7))
    random = np.random.default_rng(seed)
    matrix = random.lognormal(0, 1, (n, 5)).astype(np.float32)
    together = known.of(matrix)
    places = random.integers(0, n, 5)
    assert [known.of(matrix[i : i + 1])[0] for i in places] == together[places].tolist()
    # columns one after the other in memory, as Parquet gives them, are the same numbers
    assert np.array_equal(known.of(np.asfortranarray(matrix)), together)


@given(st.integers(0, 2**32 - 1), st.floats(0.1, 10))
@settings(max_examples=20, deadline=None)
def test_a_feature_that_moves_away_is_never_more_alike(seed, step):
    known = training_cover(rows(400, seed=seed % 5))
    edge = known.centre + 1 / known.above * known.points.max(axis=0)
    near = np.maximum(edge, known.centre).astype(np.float32)
    away = near.copy()
    away[seed % 5] += np.float32(step) / known.above[seed % 5]
    assert known.of(away[None])[0] >= known.of(near[None])[0]


def test_one_training_row_in_a_hundred_is_further_than_one_from_other_times():
    training = rows(4000)
    known = training_cover(training)
    scaled, n = known.scale(training), len(training)
    # which rows the points are
    at = [int(np.square(scaled - point).sum(axis=1).argmin()) for point in known.points]
    others = np.abs(np.arange(n)[:, None] - np.array(at)[None, :]) > LEFT_OUT * n
    distances = np.linalg.norm(scaled[:, None, :] - known.points[None, :, :], axis=2)
    reached = np.where(others, distances, np.inf).min(axis=1) / known.unit
    assert np.mean(reached > 1) == pytest.approx(0.01, abs=0.003)
    # rows of the training window itself are nearer than that
    assert np.mean(known.of(training) > 1) < 0.01


def test_rare_rows_are_covered_as_well_as_common_ones():
    training = rows(4000)
    # ten rows of a state that was there twice, four fifths of the window apart
    training[[*range(400, 405), *range(3600, 3605)]] = 30.0
    known = training_cover(training)
    assert known.of(np.full((1, 5), 30.0, np.float32))[0] < 0.5
    assert known.of(np.full((1, 5), 60.0, np.float32))[0] > 1


def test_a_state_that_only_lasted_once_does_not_widen_what_is_common():
    calm, training = rows(4000), rows(4000)
    training[2000:2030] = 30.0
    assert training_cover(training).unit == pytest.approx(training_cover(calm).unit, rel=0.1)


def test_features_that_hardly_vary_are_measured_by_what_varies():
    training = rows(2000)
    training[:, 0] = 7.0
    # zero but for 30 rows of a rare event, and zero or more with most at zero
    training[:, 1] = 0.0
    training[::70, 1] = 1.0
    training[:, 2] = np.maximum(training[:, 2] - np.median(training[:, 2]), 0)
    known = training_cover(training)
    assert (known.below[0], known.above[0]) == (0, 0)
    assert known.above[1] > 0
    assert known.below[2] == pytest.approx(10 * known.above[2])
    ordinary, constant, event = training[[500, 500, 500]]
    constant[0], event[1] = 8.0, 50.0
    near, moved, far = known.of(np.stack([ordinary, constant, event]))
    assert moved == near and far > 1


def test_training_rows_that_tell_nothing_are_refused():
    with pytest.raises(ModelError, match="there are no training rows"):
        training_cover(np.empty((0, 3), np.float32))
    with pytest.raises(ModelError, match="are the same"):
        training_cover(np.ones((500, 3), np.float32))


def test_the_same_rows_give_the_same_bytes_and_only_so_many_are_looked_at(monkeypatch):
    training = rows(5000)
    made = training_cover(training).to_bytes()
    assert training_cover(training.copy(order="F")).to_bytes() == made
    assert len(made) < 30_000
    assert len(training) > CANDIDATES
    monkeypatch.setattr(cover_module, "CANDIDATES", len(training))
    assert training_cover(training).to_bytes() != made


@pytest.mark.parametrize(
    "change",
    [
        {"unit": 0}, {"unit": -1}, {"unit": None}, {"unit": float("nan")}, {"unit": 1e999},
        {"features": 4}, {"features": 0}, {"features": "5"}, {"points": ""}, {"points": "!"},
        {"centre": "AAAA"}, {"below": 3}, {"above": "AADAfwAAwH8AAMB/AADAfwAAwH8="},
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_is_refused(change):
    value = json.loads(training_cover(rows(400)).to_bytes())
    with pytest.raises(ModelError, match=r"dissimilarity\.json of a model"):
        read_dissimilarity({FILE: json.dumps(value | change).encode()})


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b"\xff", b'{"features": 1}'])
def test_garbage_is_refused_and_no_file_is_none(content):
    with pytest.raises(ModelError, match="cannot be read"):
        read_dissimilarity({FILE: content})
    assert read_dissimilarity({"direction.txt": b"tree"}) is None


@pytest.mark.parametrize("kind", ["trend", "baseline"])
def test_models_carry_the_rows_before_the_holdout(kind):
    trained, data = market.trained(kind), market.data()
    part = trained.metadata["parts"]["calibration" if kind == "trend" else "train"]
    last = np.searchsorted(data.open_time, parse_iso(part["last_candle"]))
    assert 0 < last < len(data) - 1
    assert trained.files[FILE] == training_cover(data.features[: last + 1]).to_bytes()


@pytest.mark.parametrize("kind", ["return", "risk"])
def test_the_other_kinds_do_without(kind):
    assert FILE not in market.trained(kind).files
