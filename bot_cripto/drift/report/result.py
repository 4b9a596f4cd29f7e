"""The form of a measurement of drift as JSON."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bot_cripto.backtest.shipped_schema import check_result

SCHEMA = Path(__file__).with_name("drift.schema.json")


def check_drift(result: dict[str, Any]) -> None:
    """Check a measurement against the schema that ships with the package.

    Raises
    ------
    DataError
        Something is missing or out of range; names it and the symbol.
    """
    check_result(result, SCHEMA, "drift")
