"""Who may know whom: the walls of the house, read off the import statements."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from bot_cripto.provenance import code_files

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "bot_cripto"
MODULES = sorted(PACKAGE.rglob("*.py"))
SCRIPTS = sorted((ROOT / "scripts").glob("*.py"))
TRACKING = sorted((PACKAGE / "tracking").glob("*.py"))
WITHOUT_MLFLOW = ("costs", "database", "registry_view", "server", "trial")
"""Modules of it that know files, tables and processes alone, so that a look takes no seconds."""


def imports(path: Path, *, top_level_only: bool = False) -> set[str]:
    """Return every dotted name that a file imports."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    nodes = tree.body if top_level_only else ast.walk(tree)
    found: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def users_of(package: str) -> set[str]:
    return {
        str(path.relative_to(ROOT))
        for path in [*MODULES, *SCRIPTS]
        if any(name.split(".")[0] == package for name in imports(path))
    }


def test_one_module_imports_ccxt():
    assert users_of("ccxt") <= {
        "bot_cripto/market/exchange_loader.py",
        "bot_cripto/market/exchange_errors.py",
        "bot_cripto/market/exchange_client.py",
    }


def test_only_tracking_imports_mlflow_and_only_inside_functions():
    allowed = {path for path in TRACKING if path.stem not in WITHOUT_MLFLOW}
    assert users_of("mlflow")
    assert users_of("mlflow") <= {str(path.relative_to(ROOT)) for path in allowed}
    for path in TRACKING:
        top = imports(path, top_level_only=True)
        assert not {n.split(".")[0] for n in top} & {"mlflow", "sqlalchemy", "alembic"}


def test_only_the_notifier_imports_telegram_and_one_module_matplotlib():
    assert users_of("telegram") == {"bot_cripto/notify/telegram.py"}
    assert users_of("matplotlib") == {"bot_cripto/notify/chart.py"}
    for module in ("chart.py",):
        top = imports(PACKAGE / "notify" / module, top_level_only=True)
        assert not any(name.split(".")[0] == "matplotlib" for name in top)
    users = {
        str(path.relative_to(PACKAGE))
        for path in MODULES
        if "bot_cripto.notify.telegram" in imports(path, top_level_only=True)
    }
    assert all(user.startswith("notify/") for user in users)


def test_the_way_to_a_signal_knows_nothing_of_messages_or_keys():
    for path in MODULES:
        parts = path.relative_to(PACKAGE).parts
        if parts[0] in ("notify", "cli_trading.py"):
            continue
        assert not any(n.startswith("bot_cripto.notify") for n in imports(path)), path
    for name in ("decision", "signals", "features", "models", "ledger", "market"):
        for path in (PACKAGE / name).glob("*.py"):
            assert "bot_cripto.secrets" not in imports(path), path


def test_only_the_live_room_and_the_session_know_the_live_account():
    for path in MODULES:
        parts = path.relative_to(PACKAGE).parts
        if parts[:2] == ("execution", "live"):
            continue
        top = {n for n in imports(path, top_level_only=True) if "execution.live" in n}
        assert top <= LIGHT_OF_LIVE, f"{path.relative_to(ROOT)} imports {top}"


LIGHT_OF_LIVE = {
    "bot_cripto.execution.live.mismatches",
    "bot_cripto.execution.live.mismatches.open_mismatches",
    "bot_cripto.execution.live.permission",
    "bot_cripto.execution.live.permission.refusal",
    "bot_cripto.execution.live.permission.require_live",
}
"""What may be known of it elsewhere: modules without ccxt."""


def test_only_the_command_lines_runner_and_the_rules_know_snakemake():
    assert users_of("snakemake") == set()
    callers = {p.name for p in MODULES if '"snakemake"' in p.read_text(encoding="utf-8")}
    assert callers <= {"runner.py", "info.py"}


@pytest.mark.parametrize(
    ("room", "forbidden"),
    [
        ("features", ("labels", "models", "decision", "signals", "config", "workflow")),
        ("labels", ("features", "models", "decision", "signals", "config")),
        ("market", ("features", "labels", "models", "decision", "signals", "config")),
        (
            "models",
            ("decision", "signals", "config", "workflow", "backtest", "lifecycle", "tracking"),
        ),
        (
            "decision",
            (
                *("market", "features", "labels", "models", "signals", "config", "clock"),
                *("ledger", "execution", "backtest", "notify"),
            ),
        ),
        (
            "signals",
            (
                *("market", "features", "labels", "models", "config", "clock"),
                *("ledger", "execution", "backtest", "notify"),
            ),
        ),
        (
            "ledger",
            (
                *("market", "features", "labels", "models", "signals", "decision", "config"),
                *("execution", "backtest", "notify", "workflow"),
            ),
        ),
        (
            "execution",
            ("features", "labels", "config", "backtest", "notify", "workflow", "tracking"),
        ),
        ("backtest", ("labels", "config", "notify", "workflow", "lifecycle", "tracking")),
        ("notify", ("features", "labels", "config", "backtest", "tracking")),
        ("lifecycle", ("notify",)),
        ("drift", ("decision", "signals", "config", "notify", "workflow", "lifecycle", "tracking")),
        ("lifecycle/doctor", ("notify", "workflow", "backtest", "config")),
        (
            "inference",
            ("labels", "config", "backtest", "notify", "workflow", "lifecycle", "tracking"),
        ),
    ],
)
def test_data_flows_one_way(room, forbidden):
    for path in (PACKAGE / room).glob("*.py"):
        for name in imports(path):
            parts = name.split(".")
            assert parts[0] != "bot_cripto" or parts[1:2] not in [[f] for f in forbidden], (
                f"{path.relative_to(ROOT)} imports {name}"
            )


@pytest.mark.parametrize("script", ["fetch_candles", "build_features", "make_signals"])
def test_the_way_to_a_signal_knows_nothing_of_what_judges_and_replays(script):
    rooms = {
        path.relative_to(ROOT).parts[1] for path in code_files(SCRIPTS[0].parent / f"{script}.py")
    }
    assert "market" in rooms and not rooms & {"lifecycle", "backtest", "notify", "tracking"}


def test_one_module_knows_river_and_the_way_to_a_signal_knows_the_relative_drop_alone():
    assert users_of("river") == {"bot_cripto/drift/performance.py"}
    top = imports(PACKAGE / "drift" / "performance.py", top_level_only=True)
    assert not any(name.split(".")[0] == "river" for name in top)
    assert imports(PACKAGE / "drift" / "__init__.py") == set()
    files = code_files(ROOT / "scripts" / "make_signals.py", ROOT / "scripts" / "build_features.py")
    known = {path.name for path in files if path.parent == PACKAGE / "drift"}
    assert known == {"__init__.py", "history.py"}


def test_the_decision_is_pure():
    allowed = {"__future__", "math", "dataclasses", "typing", "collections", "enum", "bot_cripto"}
    for path in (PACKAGE / "decision").glob("*.py"):
        assert {name.split(".")[0] for name in imports(path)} <= allowed, path


def test_nothing_in_the_package_imports_scripts_or_rules():
    for path in MODULES:
        assert not {n for n in imports(path) if n.split(".")[0] in ("scripts", "rules")}, path


def test_nothing_pickles():
    for path in [*MODULES, *SCRIPTS]:
        roots = {name.split(".")[0] for name in imports(path)}
        assert not roots & {"pickle", "joblib", "cloudpickle", "dill", "shelve"}, path


@pytest.mark.parametrize("script", ["build_features", "make_signals"])
def test_the_way_to_a_signal_imports_nothing_heavy(script):
    heavy = "{'mlflow', 'sklearn', 'pandas', 'scipy', 'lightgbm', 'ccxt', 'telegram', 'pydantic'}"
    code = f"import sys; sys.path.insert(0, 'scripts'); import {script}; "
    code += f"print(sorted({{m.split('.')[0] for m in sys.modules}} & {heavy}))"
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert ran.stdout.strip() == "[]"
