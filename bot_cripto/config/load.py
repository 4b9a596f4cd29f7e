"""Merging command line, environment and config.yaml into validated `Settings`."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from bot_cripto.config.schema import ENVIRONMENT, SECRETS, Settings
from bot_cripto.errors import ConfigError

ENV_FILE_VARIABLE = "BOT_CRIPTO_ENV_FILE"

FOLDERS = ("state_dir", "data_dir", "models_dir", "logs_dir")
"""Settings that name folders: relative ones count from where the person stands."""

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def load_settings(
    config_files: Sequence[Path] | Path,
    environment: Mapping[str, str],
    overrides: Mapping[str, Any] | None = None,
) -> Settings:
    """Return the effective settings: `overrides` beat the environment, which beats the files.

    Parameters
    ----------
    config_files : Path or sequence of Path
        ``config/config.yaml``, and files that are to beat it.
    environment : mapping
        Environment variables; ``BOT_CRIPTO_ENV_FILE`` in it names an environment file, whose
        lines stand behind the variables themselves.
    overrides : mapping, optional
        What the command line sets (``--config key=value``).

    Raises
    ------
    ConfigError
        A key, type or value is wrong; the text names key, value, what is allowed, and the
        nearest valid key.
    """
    files = [config_files] if isinstance(config_files, Path) else config_files
    merged = _merge(
        *(_read_yaml(path) for path in files),
        _env_file_settings(environment),
        _of_variables(environment),
        overrides or {},
    )
    _check_keys(merged, Settings.model_fields, "")
    try:
        return Settings(**merged)
    except ValidationError as error:
        raise ConfigError(_sentence(error)) from None


def salvage_settings(
    config_files: Sequence[Path],
    environment: Mapping[str, str],
    overrides: Mapping[str, Any],
) -> tuple[Settings, bool]:
    """Return what can be read of a faulty configuration, and whether the logs' folder is known.

    For saying that the configuration is faulty where the operator looks; never for a run.
    """
    known = True
    merged: dict[str, Any] = {}
    for path in config_files:
        try:
            merged = _merge(merged, _read_yaml(path))
        except ConfigError:
            known &= not _names_folder(path)
    try:
        merged = _merge(merged, _env_file_settings(environment))
    except ConfigError:
        known &= not _names_folder(Path(environment[ENV_FILE_VARIABLE]))
    folders = ("state_dir", "logs_dir")
    last = _merge(_of_variables(environment), dict(overrides))
    known |= any(last.get(name) for name in folders)
    merged = _merge(merged, last)
    for name in list(merged):
        try:
            _check_keys({name: merged[name]}, Settings.model_fields, "")
            Settings(**{name: merged[name]})
        except (ConfigError, ValidationError):
            del merged[name]
            known &= name not in folders
    return Settings(**merged), known


def _names_folder(path: Path) -> bool:
    """Whether a file that cannot be parsed sets, or might set, the folder of state or logs."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return False
    except (OSError, UnicodeDecodeError):
        return True
    return bool(re.search(r"(?im)^\s*(export )?(state|logs)_dir *[:=] *[^\s'\"#]", text))


def _merge(*layers: Mapping[str, Any]) -> dict[str, Any]:
    """Return the layers over each other, sections key by key."""
    merged: dict[str, Any] = {}
    for layer in layers:
        for name, value in layer.items():
            if isinstance(value, Mapping) and isinstance(merged.get(name), Mapping):
                merged[name] = {**merged[name], **value}
            else:
                merged[name] = value
    return merged


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from None
    try:
        content = yaml.load(text, Loader=_Loader)  # noqa: S506 - a safe loader, in C
    except (yaml.YAMLError, ValueError) as error:
        raise ConfigError(f"{path}: is no YAML: {' '.join(str(error).split())}") from None
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise ConfigError(f"{path}: must hold `key: value` lines")
    return content


def read_env_file(path: Path | str) -> dict[str, str]:
    """Return the variables of an environment file (``KEY=value`` lines, ``#`` comments).

    Raises
    ------
    ConfigError
        The file cannot be read, a line is none, or a name is unknown. Values are never shown.
    """
    path = Path(path)
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from None
    found: dict[str, str] = {}
    known = [*ENVIRONMENT, *SECRETS]
    for number, line in enumerate(lines, 1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        name, separator, value = line.partition("=")
        name = name.removeprefix("export ").strip()
        if not separator:
            raise ConfigError(f"{path} line {number}: is not of the form NAME=value")
        if name not in known:
            # a line that only looks like a setting may be part of a secret: it is not shown
            near = _nearest(name, known) if re.fullmatch(r"[A-Z][A-Z0-9_]*", name) else ""
            shown = f"{name} is unknown{near}" if near else "an unknown name"
            raise ConfigError(f"{path} line {number}: {shown}")
        found[name] = value.strip().strip("'\"")
    return found


def _env_file_settings(environment: Mapping[str, str]) -> dict[str, str]:
    path = environment.get(ENV_FILE_VARIABLE)
    return _of_variables(read_env_file(path)) if path else {}


def _of_variables(variables: Mapping[str, str]) -> dict[str, str]:
    """Return settings by key from variables by name; an empty one counts as not set."""
    return {key: variables[name] for name, key in ENVIRONMENT.items() if variables.get(name)}


def _check_keys(values: Mapping[str, Any], fields: Mapping[str, Any], prefix: str) -> None:
    """Refuse unknown keys, with the nearest one that exists."""
    for key, value in values.items():
        if str(key).upper() in SECRETS:
            raise ConfigError(
                f"{prefix}{key}: secrets come from the environment or a credentials file only"
            )
        if key not in fields:
            raise ConfigError(f"{prefix}{key} is unknown{_nearest(str(key), list(fields))}")
        section = getattr(fields[key].annotation, "model_fields", None)
        if section and isinstance(value, Mapping):
            _check_keys(value, section, f"{prefix}{key}.")


def _nearest(name: str, known: list[str]) -> str:
    lower = {k.lower(): k for k in known}
    close = difflib.get_close_matches(name.lower(), lower, n=1, cutoff=0.4)
    return f"; the nearest valid key is {lower[close[0]]}" if close else ""


_VARIABLES = {key: name for name, key in ENVIRONMENT.items()}


def _sentence(error: ValidationError) -> str:
    """Say the first fault in one line: key, value, what is allowed."""
    first = error.errors(include_url=False)[0]
    key = ".".join(str(part) for part in first["loc"])
    allowed = first["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    if not allowed.startswith("allowed") and "not" not in allowed and "twice" not in allowed:
        allowed = f"allowed: {allowed}"
    variable = _VARIABLES.get(key)
    where = f"{key} (environment: {variable})" if variable else key
    return f"{where} = {first['input']!r}: {allowed}"


def effective(settings: Settings, standing: Path) -> dict[str, Any]:
    """Return settings as plain JSON values, folders resolved, with two names added.

    ``source_name`` is what signals say: ``simulated``, ``archive`` or the exchange id.
    ``market`` is what folders say: each made-up market has a name of its own, so that the
    candles of two of them never mix.

    Parameters
    ----------
    settings : Settings
        From `load_settings`.
    standing : Path
        The folder where the person stands: relative paths count from it. The default state
        folder is the empty text.
    """
    values = settings.model_dump(mode="json")
    for name in FOLDERS:
        if values[name]:
            values[name] = str((standing / Path(values[name]).expanduser()).resolve())
    if values["archive"]:
        values["archive"] = str(standing / Path(values["archive"]).expanduser())
    values["source_name"] = (
        values["exchange"] if values["source"] == "exchange" else values["source"]
    )
    market = values["simulated"]
    values["market"] = values["source_name"]
    if values["source"] == "simulated":
        values["market"] += f"-{market['seed']}-{market['edge']:g}-{market['outages']:g}"
    return values
