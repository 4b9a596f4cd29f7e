"""What is published is checked against the schema that ships with it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from bot_cripto.errors import DataError


def check_result(result: dict[str, Any], schema_file: Path, what: str) -> None:
    """Check a result against a shipped schema; NaN and infinity are no JSON.

    Raises
    ------
    DataError
        Something is missing or out of range; names it, `what` it is and its symbol.
    """
    import fastjsonschema

    check = fastjsonschema.compile(json.loads(schema_file.read_bytes()), use_default=False)
    try:
        json.dumps(result, allow_nan=False)
        check(result)
    except (fastjsonschema.JsonSchemaValueException, ValueError) as error:
        raise DataError(f"{what} of {result.get('symbol')} is not valid: {error}") from None
