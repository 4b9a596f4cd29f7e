"""Entries as rows: exact texts for decimals, canonical JSON, and back."""

from __future__ import annotations

import json
import math
import operator
from collections.abc import Callable
from dataclasses import fields
from decimal import Decimal
from typing import Any

from bot_cripto.errors import LedgerError
from bot_cripto.ledger.events import Action, Fill, Funding, Intent, Mark, OrderEvent

Entry = Intent | OrderEvent | Fill | Funding | Action | Mark

INTENTS, ORDER_EVENTS, FILLS, FUNDING, ACTIONS, MARKS = (
    "intents",
    "order_events",
    "fills",
    "funding",
    "actions",
    "marks",
)
CLASSES: dict[str, type[Any]] = {
    INTENTS: Intent,
    ORDER_EVENTS: OrderEvent,
    FILLS: Fill,
    FUNDING: Funding,
    ACTIONS: Action,
    MARKS: Mark,
}
TABLES = {entry_class: table for table, entry_class in CLASSES.items()}
COLUMNS = {
    table: tuple(field.name for field in fields(entry_class))
    for table, entry_class in CLASSES.items()
}
"""Columns of each table, named like the fields; the first one is the id."""

_MAX_DIGITS = 100


def decimal_text(value: Decimal) -> str:
    """Return the one text of a number, exactly: no exponent, no zeros at the end, no ``-0``.

    Raises
    ------
    ValueError
        Not finite, or of more than 100 digits before or after the point.
    """
    if not value.is_finite():
        raise ValueError(f"{value} is not finite")
    exponent = int(value.as_tuple().exponent)
    if value and (value.adjusted() >= _MAX_DIGITS or exponent < -_MAX_DIGITS):
        raise ValueError(f"{value} has more than {_MAX_DIGITS} digits before or after the point")
    text = f"{value:f}" if value else "0"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _decimal(value: Any) -> str:
    if not isinstance(value, Decimal):
        raise TypeError(f"{value!r} is no Decimal")
    return decimal_text(value)


def _real(value: Any) -> float:
    if not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{value!r} is no finite number")
    return float(value) + 0.0  # SQLite has no -0.0


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    # half a surrogate pair, as a reply may hold it, has no UTF-8
    return value.encode(errors="backslashreplace").decode()


def _integer(value: Any) -> int:
    number = operator.index(value)
    if not -(2**63) <= number < 2**63:
        raise ValueError(f"{number} has more than 64 bits")
    return number


def _json(value: Any) -> str:
    text = json.dumps(
        value, sort_keys=True, ensure_ascii=True, allow_nan=False, separators=(",", ":")
    )
    if json.loads(text) != value:
        raise ValueError(f"{value!r} would not come back from JSON as it is")
    return text


_ENCODERS: dict[str, Callable[[Any], str | int | float]] = {
    "str": _text,
    "int": _integer,
    "float": _real,
    "Decimal": _decimal,
    "dict[str, Any]": _json,
}
_DECODERS: dict[str, Callable[[str], Any]] = {"Decimal": Decimal, "dict[str, Any]": json.loads}

_FIELDS = {
    table: tuple(
        (
            field.name,
            _ENCODERS[str(field.type).removesuffix(" | None")],
            str(field.type).endswith(" | None"),
        )
        for field in fields(entry_class)
    )
    for table, entry_class in CLASSES.items()
}
_DECODED = {
    table: tuple(
        (index, _DECODERS[name])
        for index, field in enumerate(fields(entry_class))
        if (name := str(field.type).removesuffix(" | None")) in _DECODERS
    )
    for table, entry_class in CLASSES.items()
}


def encode(entry: Entry) -> tuple[str, dict[str, str | int | float | None]]:
    """Return the table of an entry and its columns.

    Raises
    ------
    LedgerError
        A field is of another type than its annotation, or holds what cannot be stored exactly.
    """
    table = TABLES[type(entry)]
    row: dict[str, str | int | float | None] = {}
    for name, encoder, optional in _FIELDS[table]:
        value = getattr(entry, name)
        try:
            row[name] = None if optional and value is None else encoder(value)
        except (TypeError, ValueError) as error:
            raise LedgerError(f"{table}: {name} of {entry!r} cannot be stored: {error}") from None
    return table, row


def decode(table: str, row: tuple[Any, ...]) -> Any:
    """Return the entry of a row, its columns in the order of `COLUMNS`.

    Raises
    ------
    LedgerError
        A column holds what no entry has.
    """
    values = list(row)
    try:
        for index, decoder in _DECODED[table]:
            if values[index] is not None:
                values[index] = decoder(values[index])
        return CLASSES[table](*values)
    except (ArithmeticError, TypeError, ValueError) as error:
        raise LedgerError(f"{table}: {row[0]} holds what cannot be read: {error}") from error
