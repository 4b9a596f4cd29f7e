"""Checks of champion files, of what they name, and of the marks of bad versions."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

from bot_cripto.errors import BotCriptoError, ModelError
from bot_cripto.lifecycle.doctor.finding import Finding, Patient
from bot_cripto.lifecycle.versions import DAY_MS, examine
from bot_cripto.models.bad_marks import bad_path, broken_lines, read_bad
from bot_cripto.models.champion import (
    Champion,
    broken_history,
    champion_path,
    ends_with,
    history_path,
    is_lost,
    read_champion,
    read_history,
)
from bot_cripto.models.champion_change import record_present, restore_lost
from bot_cripto.models.in_use import Subject, load_champion
from bot_cripto.models.version import folder
from bot_cripto.timeframes import parse_candle_id

FIX = "run: bot-cripto doctor --fix"


def check_files(patient: Patient) -> Iterator[Finding]:
    """Find champion files that are lost or cannot be read; restore them from their history."""
    models = patient.layout.models
    for symbol in patient.settings["symbols"]:
        path = champion_path(models, symbol)
        try:
            if read_champion(models, symbol) is not None:
                continue
            text = "the champion file is lost"
        except ModelError as error:
            text = str(error)
        try:
            known = read_history(models, symbol)
        except ModelError as error:
            remedy = "give access to the history, then run: bot-cripto doctor --fix"
            yield Finding("champion_file", str(path), f"{text}; {error}", remedy)
            continue
        if not known:
            if path.exists():
                remedy = "delete it, then run: snakemake retrain"
                yield Finding("champion_file", str(path), f"{text}; it has no history", remedy)
            continue  # a symbol that never had models
        mended = None
        if patient.fix:
            try:
                restore_lost(models, [symbol])
            except (BotCriptoError, OSError) as error:
                text += f" ({error})"
            mended = not is_lost(models, symbol)
        yield Finding("champion_file", str(path), text, f"{FIX} (it is restored)", mended)


def check_histories(patient: Patient) -> Iterator[Finding]:
    """Find histories that do not end with the champion in use, or have damaged lines.

    From such a one other models than those in use would be restored. The champion is added.
    """
    models = patient.layout.models
    for symbol in patient.settings["symbols"]:
        path = history_path(models, symbol)
        try:
            champion = read_champion(models, symbol)
        except ModelError:
            continue  # said by check_files
        try:
            known, broken = read_history(models, symbol), broken_history(models, symbol)
        except (ModelError, OSError) as error:
            yield Finding("champion_history", str(path), str(error), "give access to the file")
            continue
        if champion is not None and not ends_with(known, champion):
            text, mended = "it does not end with the champion in use", None
            if patient.fix:
                try:
                    record_present(models, symbol)
                except (BotCriptoError, OSError) as error:
                    text += f" ({error})"
                mended = ends_with(read_history(models, symbol), champion)
            remedy = f"{FIX} (the champion in use is added)"
            yield Finding("champion_history", str(path), text, remedy, mended)
        if broken:
            text = f"{broken} lines are damaged; what they said can no longer be restored"
            remedy = "put it back from a backup, or remove the damaged lines"
            yield Finding("champion_history", str(path), text, remedy)


def check_models(patient: Patient) -> Iterator[Finding]:
    """Find models in use that cannot be used, are marked bad, too old, or not judged yet."""
    for symbol in patient.settings["symbols"]:
        try:
            champion = read_champion(patient.layout.models, symbol)
        except ModelError:
            continue  # said by check_files
        if champion is not None:
            yield from _about(patient, champion)


def _about(patient: Patient, champion: Champion) -> Iterator[Finding]:
    models, symbol = patient.layout.models, champion.symbol
    subject = Subject.of(patient.settings, symbol)
    back = f"run: bot-cripto rollback --symbol {symbol} --reason ..., or snakemake retrain"
    try:
        marks = read_bad(models, symbol)
    except ModelError:
        marks = {}  # said by check_marks
    for kind, use in champion.kinds.items():
        where = f"{symbol} {kind} {use.version}"
        mark = marks.get((kind, use.version))
        if mark is not None:
            yield Finding("bad_version", where, f"it is in use and marked bad: {mark.reason}", back)
        version, problem = examine(folder(models, kind, symbol) / use.version, kind, subject)
        if version is not None and version.sha256 != use.sha256:
            problem = "it is not the one that was promoted: its hash is another"
        if problem is not None:
            yield Finding("model", where, f"it is in use and cannot be used: {problem}", back)
    try:
        load_champion(models, champion, subject)
    except ModelError as error:
        yield Finding("no_models", symbol, str(error), "run: snakemake retrain")
    most = patient.settings["max_model_age_days"]
    age = max(((patient.now_ms - ms) / DAY_MS for ms in _cutoffs(champion)), default=0.0)
    if age > most:
        text = f"the oldest model in use was trained until {age:.0f} days ago, {most:g} are allowed"
        yield Finding("model_age", symbol, text, "run: snakemake retrain")
    if champion.provisional:
        text = "no retrain has judged the models yet: they are provisional, for paper only"
        yield Finding("provisional", symbol, text, "run: snakemake retrain")


def _cutoffs(champion: Champion) -> Iterator[int]:
    """Yield the cutoffs that the names of versions state; of another name it is said above."""
    for name in champion.versions().values():
        with suppress(ValueError):
            yield parse_candle_id(name.partition("-")[0])


def check_marks(patient: Patient) -> Iterator[Finding]:
    """Find marks of bad versions that are damaged."""
    for symbol in patient.settings["symbols"]:
        path = bad_path(patient.layout.models, symbol)
        try:
            broken = broken_lines(patient.layout.models, symbol)
        except OSError as error:
            text = f"the bad marks cannot be read ({error.strerror}): no model is used"
            yield Finding("bad_marks", str(path), text, "give access to the file")
            continue
        if broken:
            text = f"{broken} lines are damaged; the versions that they name count as bad"
            remedy = "mark them again with bot-cripto mark-bad, then remove the damaged lines"
            yield Finding("bad_marks", str(path), text, remedy)
