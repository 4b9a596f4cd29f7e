"""Hashes of code: what a file imports is found, and found completely."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from bot_cripto.provenance import (
    canonical_json,
    code_files,
    code_sha256,
    git_commit,
    imported_names,
    sha256_json,
)

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted([*(ROOT / "bot_cripto").rglob("*.py"), *(ROOT / "scripts").glob("*.py")])


def by_ast(source: str) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return {name for name in found if name.split(".")[0] == "bot_cripto"}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_import_of_the_package_is_missed(path):
    source = path.read_text(encoding="utf-8")
    assert by_ast(source) <= imported_names(source)


@pytest.mark.parametrize(
    "source",
    [
        "from bot_cripto.market import gaps, store as s  # a comment",
        "from bot_cripto.market import (\n    gaps,  # first\n    store,\n)",
        "def f():\n    import bot_cripto.clock\n    from bot_cripto import atomic",
        "import bot_cripto",
    ],
)
def test_forms_of_import(source):
    assert imported_names(source) == by_ast(source)


def test_the_files_of_a_script_are_all_that_it_uses_and_no_more():
    names = {path.name for path in code_files(ROOT / "scripts" / "build_features.py")}
    assert {"build_features.py", "catalogue.py", "windows.py", "trend.py", "candles.py"} <= names
    assert not {"tracking.py", "explain.py", "gates.py", "training.py"} & names
    schema = {path.name for path in code_files(ROOT / "scripts" / "make_signals.py")}
    assert "signal.schema.json" in schema and "tracking.py" not in schema


def test_content_and_not_time_makes_the_hash(tmp_path):
    script = tmp_path / "a.py"
    script.write_text("from bot_cripto import clock\n")
    before = code_sha256(script)
    script.touch()
    assert code_sha256(script) == before


def test_equal_values_have_equal_hashes():
    assert sha256_json({"a": 1, "b": [2.5]}) == sha256_json({"b": [2.5], "a": 1})
    assert canonical_json({"b": 1, "a": "é"}) == '{"a":"é","b":1}'
    with pytest.raises(ValueError, match="JSON"):
        canonical_json({"a": float("nan")})


def test_the_commit_is_read_from_every_kind_of_checkout(tmp_path):
    assert git_commit(tmp_path) is None
    git = tmp_path / ".git"
    (git / "refs" / "heads").mkdir(parents=True)
    (git / "HEAD").write_text("ref: refs/heads/main\n")
    (git / "packed-refs").write_text("# pack-refs\n" + "a" * 40 + " refs/heads/main\n")
    assert git_commit(tmp_path) == "a" * 40
    (git / "refs" / "heads" / "main").write_text("b" * 40 + "\n")
    assert git_commit(tmp_path) == "b" * 40
    (git / "HEAD").write_text("c" * 40 + "\n")
    assert git_commit(tmp_path) == "c" * 40
