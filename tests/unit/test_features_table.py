"""The generated page of features, and what importing them costs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from bot_cripto.features import FEATURE_NAMES, table

ROOT = Path(__file__).parents[2]


def test_the_page_is_current() -> None:
    page = (ROOT / "docs" / "features.md").read_text(encoding="utf-8")
    assert page == table.render(), "run: python -m bot_cripto.features.table > docs/features.md"


def test_the_page_names_every_feature_once() -> None:
    for name in FEATURE_NAMES:
        assert table.render().count(f"| `{name}` |") == 1


def test_the_live_path_needs_numpy_alone() -> None:
    code = (
        "import sys, bot_cripto.features; "
        "print(*{m.split('.')[0] for m in sys.modules} & "
        "{'pandas', 'pyarrow', 'sklearn', 'scipy', 'lightgbm', 'mlflow', 'ccxt'})"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == ""
