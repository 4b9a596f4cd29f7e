import numpy as np
import pytest

from bot_cripto.errors import ModelError
from bot_cripto.models import predictor
from bot_cripto.models.predictor import Booster

OBJECTIVES = {
    "binary": {"objective": "binary"},
    "quantile": {"objective": "quantile", "alpha": 0.1},
    "regression": {"objective": "regression"},
}


def rows(dtype=np.float32):
    random = np.random.default_rng(3)
    matrix = random.normal(size=(600, 5)).astype(dtype)
    matrix[random.random(matrix.shape) < 0.05] = np.nan
    return matrix


@pytest.fixture(scope="module", params=sorted(OBJECTIVES))
def booster(request):
    import lightgbm

    matrix = rows()
    target = (np.nan_to_num(matrix[:, 0]) > 0).astype(float)
    parameters = OBJECTIVES[request.param] | {"verbosity": -1, "num_leaves": 7, "num_threads": 1}
    return lightgbm.train(parameters, lightgbm.Dataset(matrix, target), 15)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_predictions_equal_the_python_packages_to_the_bit(booster, dtype):
    ours = Booster.from_text(booster.model_to_string())
    matrix = rows(dtype)
    assert np.array_equal(ours.predict(matrix), booster.predict(matrix))
    assert np.array_equal(ours.predict(matrix, raw=True), booster.predict(matrix, raw_score=True))
    assert np.array_equal(ours.predict(matrix[:1]), booster.predict(matrix[:1]))
    assert np.array_equal(ours.predict(matrix[::-2]), booster.predict(matrix[::-2].copy()))


def test_the_parameters_at_the_end_of_the_text_are_not_needed(booster):
    text = booster.model_to_string()
    cut = text[: text.index("\nparameters:\n") + 1]
    assert np.array_equal(Booster.from_text(cut.encode()).predict(rows()), booster.predict(rows()))


def test_no_rows_and_wrong_columns(booster):
    ours = Booster.from_text(booster.model_to_string())
    assert ours.predict(np.empty((0, 5), np.float32)).shape == (0,)
    with pytest.raises(ModelError, match="5 features a row"):
        ours.predict(np.zeros((2, 4), np.float32))
    with pytest.raises(ModelError, match="5 features a row"):
        ours.predict(np.zeros(5, np.float32))


@pytest.mark.parametrize("text", ["", "tree\n", "hello", b"\x00"])
def test_what_is_no_model_is_refused(text):
    with pytest.raises(ModelError, match="no whole LightGBM model"):
        Booster.from_text(text)


def test_a_model_cut_in_a_tree_is_refused(booster):
    with pytest.raises(ModelError, match="no whole LightGBM model"):
        Booster.from_text(booster.model_to_string()[:900])


def test_the_librarys_own_message_is_passed_on(booster):
    text = booster.model_to_string().replace("objective=", "objective=unheard_of ")
    with pytest.raises(ModelError, match=r"LightGBM: .*unheard_of"):
        Booster.from_text(text)


def test_several_outputs_are_refused():
    import lightgbm

    matrix = rows()
    parameters = {"objective": "multiclass", "num_class": 3, "verbosity": -1, "num_threads": 1}
    model = lightgbm.train(parameters, lightgbm.Dataset(matrix, np.arange(600) % 3), 2)
    with pytest.raises(ModelError, match="3 outputs"):
        Booster.from_text(model.model_to_string())


def test_memory_is_freed_with_the_object(booster, monkeypatch):
    freed = []
    library = predictor._library()

    class Spy:
        def __getattr__(self, name):
            if name == "LGBM_BoosterFree":
                return lambda handle: freed.append(handle.value) or library.LGBM_BoosterFree(handle)
            return getattr(library, name)

    ours = Booster.from_text(booster.model_to_string())
    handle = ours._handle.value
    monkeypatch.setattr(predictor, "_library", Spy)
    del ours
    assert freed == [handle]


def test_a_missing_library_is_named(monkeypatch):
    monkeypatch.setattr(predictor.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ModelError, match="install the package lightgbm"):
        predictor._library.__wrapped__()
