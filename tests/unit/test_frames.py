"""Columns in Parquet: the same bits back, the same file again, damage noticed."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from bot_cripto.errors import DataError
from bot_cripto.frames import columns_sha256, read_columns, write_columns

COLUMNS = {
    "time": np.arange(5, dtype=np.int64),
    "price": np.array([1.0, np.nan, -0.0, 1e300, 5e-324]),
    "feature": np.array([1, 2, np.nan, 4, 5], dtype=np.float32),
    "filled": np.array([True, False, True, False, False]),
}


def test_a_file_gives_back_the_same_bits(tmp_path):
    write_columns(tmp_path / "new" / "f.parquet", COLUMNS)
    back = read_columns(tmp_path / "new" / "f.parquet")
    assert list(back) == list(COLUMNS)
    for name, column in COLUMNS.items():
        assert back[name].tobytes() == column.tobytes()


@settings(max_examples=30, deadline=None)
@given(values=arrays(np.float64, st.integers(0, 300), elements=st.floats(width=32)))
def test_any_numbers_survive(tmp_path_factory, values):
    path = tmp_path_factory.mktemp("frames") / "f"
    write_columns(path, {"a": values, "b": values.astype(np.float32)})
    back = read_columns(path)
    assert back["a"].tobytes() == values.tobytes()
    assert columns_sha256(back) == columns_sha256({"a": values, "b": values.astype(np.float32)})


def test_the_same_numbers_make_the_same_file(tmp_path):
    for name in ("a", "b"):
        write_columns(tmp_path / name, COLUMNS)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_the_hash_sees_names_values_and_lengths():
    changed = [
        {**COLUMNS, "time": COLUMNS["time"] + 1},
        {**COLUMNS, "more": COLUMNS["time"]},
        {("t" if n == "time" else n): c for n, c in COLUMNS.items()},
        {n: c[:-1] for n, c in COLUMNS.items()},
    ]
    assert len({columns_sha256(c) for c in [COLUMNS, *changed]}) == 5


@pytest.mark.parametrize("keep", [0, 10, 200, -1])
def test_a_cut_file_is_damaged(tmp_path, keep):
    write_columns(tmp_path / "f", COLUMNS)
    (tmp_path / "f").write_bytes((tmp_path / "f").read_bytes()[:keep])
    with pytest.raises(DataError, match="damaged"):
        read_columns(tmp_path / "f")


def test_an_altered_value_is_damage(tmp_path):
    write_columns(tmp_path / "f", COLUMNS)
    content = (tmp_path / "f").read_bytes()
    at = content.index(np.float64(1e300).tobytes())
    (tmp_path / "f").write_bytes(content[:at] + b"\0" + content[at + 1 :])
    with pytest.raises(DataError, match="damaged"):
        read_columns(tmp_path / "f")


def test_no_pandas_is_imported(tmp_path):
    code = (
        "import sys, numpy, bot_cripto.frames as f; "
        f"p = {str(tmp_path / 'f')!r}; f.write_columns(p, {{'a': numpy.arange(3)}}); "
        "f.read_columns(p); print('pandas' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "False"
