"""What tests of several modules need and takes long to make."""

from __future__ import annotations

import sqlite3

import pytest

from bot_cripto.tracking.client import prepare


@pytest.fixture(scope="session")
def prepared_db(tmp_path_factory):
    """MLflow's database, prepared; making one takes seconds, copying it none."""
    path = tmp_path_factory.mktemp("tracking") / "mlflow.db"
    prepare(path)
    return path


@pytest.fixture
def tracking_db(prepared_db, tmp_path):
    """A prepared database of one's own."""
    path = tmp_path / "mlflow.db"
    with sqlite3.connect(prepared_db) as source, sqlite3.connect(path) as copy:
        source.backup(copy)
    return path
