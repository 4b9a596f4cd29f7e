"""The lineage of a signal: what it was made of, link by link, each looked at as it lies today."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from bot_cripto.checkout import own_layout
from bot_cripto.errors import BotCriptoError
from bot_cripto.inference.features import row_of
from bot_cripto.lifecycle.past_candles import Window, find_window
from bot_cripto.lifecycle.past_models import version_folder
from bot_cripto.lifecycle.past_signals import MissingLinkError, PastSignal, find_signal
from bot_cripto.lifecycle.past_snapshots import snapshot_file
from bot_cripto.lifecycle.program import other_code
from bot_cripto.lifecycle.replay import FAILED
from bot_cripto.models.apply import KINDS
from bot_cripto.models.snapshot import read_snapshot
from bot_cripto.models.version import Version, check_compatible, load_version
from bot_cripto.timeframes import iso, timeframe_ms


@dataclass(frozen=True)
class Link:
    """One link of the chain.

    Attributes
    ----------
    name : str
        signal, trend model, training snapshot, features, candles, ...
    facts : dict
        What is known of it, by name; JSON can hold it.
    broken : str or None
        Why it cannot be followed today; None: it is whole.
    """

    name: str
    facts: dict[str, Any] = field(default_factory=dict)
    broken: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the link as JSON values."""
        return dict(vars(self))


def lineage(here: dict[str, Any], name: str) -> list[Link]:
    """Return the chain of a signal, from itself to its configuration.

    Parameters
    ----------
    here : dict
        The present effective settings; only their folders count.
    name : str
        The path of a signal file, or an id of the journal.

    Raises
    ------
    DataError
        There is no such signal.
    """
    signal = find_signal(here, name)
    document = signal.document
    told = ("symbol", "source", "timeframe", "candle_close_time", "ts", "revision", "decision")
    links = [Link("signal", {name: document[name] for name in told})]
    links += _models(signal)
    window, candles = _candles(signal)
    links += [_features(signal, window), candles, _risk(signal), _code(signal)]
    return [*links, _configuration(signal)]


def as_text(links: list[Link]) -> str:
    """Return the chain as lines for people, broken links marked."""
    lines = []
    for link in links:
        lines.append(link.name)
        lines += [f"  {name}: {value}" for name, value in link.facts.items() if value is not None]
        if link.broken:
            lines.append(f"  BROKEN: {link.broken}")
    return "".join(f"{line}\n" for line in lines)


def _models(signal: PastSignal) -> Iterator[Link]:
    """Yield the models and the snapshots that they were trained on, each snapshot once."""
    models = signal.document["version"]["models"]
    snapshots: dict[str, Version] = {}
    for kind in KINDS:
        use = models.get(kind)
        if use is None:
            yield Link(f"{kind} model", {"note": "the signal was made without a forecast"})
            continue
        root = own_layout(signal.here).models
        path = version_folder(root, kind, signal.symbol, use["version"])
        facts = {
            **use,
            "stands in": "baseline" if path.parent.parent.name == "baseline" else None,
            "folder": str(path),
        }
        try:
            version = load_version(path)
        except BotCriptoError as error:
            yield Link(f"{kind} model", facts, str(error))
            continue
        metadata = version.metadata
        snapshots.setdefault(metadata["hashes"]["data"], version)
        facts |= {"cutoff": metadata["cutoff"], "code_sha256": metadata["hashes"]["code"]}
        broken = None
        if version.sha256 != use["sha256"]:
            broken = f"{path} has the hash {version.sha256}, not {use['sha256']}"
        else:
            unfit = check_compatible(version)
            broken = unfit and f"it cannot be loaded: today's features do not fit it: {unfit}"
        yield Link(f"{kind} model", facts, broken)
    for version in snapshots.values():
        yield _snapshot(signal, version)


def _snapshot(signal: PastSignal, version: Version) -> Link:
    metadata = version.metadata
    facts: dict[str, Any] = {
        "sha256": metadata["hashes"]["data"],
        "cutoff": metadata["cutoff"],
        "parts": {name: part["rows"] for name, part in metadata["parts"].items()},
    }
    path = snapshot_file(own_layout(signal.here), metadata)
    if path is None:
        why = "its file is gone or damaged; bot-cripto reproduce builds it again from the candles"
        return Link("training snapshot", facts, why)
    facts["file"] = str(path)
    try:
        candles = read_snapshot(path).candles
    except BotCriptoError as error:
        return Link("training snapshot", facts, str(error))
    step = timeframe_ms(metadata["timeframe"])
    facts |= {
        "rows": len(candles),
        "from": iso(int(candles.open_time[0])),
        "until": iso(int(candles.open_time[-1]) + step),
    }
    return Link("training snapshot", facts)


def _features(signal: PastSignal, window: Window | None) -> Link:
    wanted = signal.document["version"]["features_sha256"]
    facts: dict[str, Any] = {"sha256": wanted}
    if wanted is None:
        return Link("features", facts, _without(signal, "features"))
    if window is None:
        return Link("features", facts, "their candles are not there to compute them from")
    columns, found = row_of(window.candles, signal.settings["timeframe"])
    facts |= {"count": len(columns) - 1, "missing": found["missing"] or None}
    if found["features_sha256"] != wanted:
        return Link("features", facts, f"computed again they are {found['features_sha256']}")
    return Link("features", facts)


def _candles(signal: PastSignal) -> tuple[Window | None, Link]:
    wanted = signal.document["version"]["candles_sha256"]
    facts: dict[str, Any] = {"sha256": wanted, "source": signal.document["source"]}
    if wanted is None:
        return None, Link("candles", facts, _without(signal, "candles"))
    try:
        window = find_window(signal)
    except BotCriptoError as error:
        return None, Link("candles", facts, str(error))
    step, times = timeframe_ms(signal.settings["timeframe"]), window.candles.open_time
    facts |= {
        "count": len(times),
        "filled": int(window.candles.filled.sum()),
        "from": iso(int(times[0])),
        "until": iso(int(times[-1]) + step),
        "place": window.place,
        "note": window.note or None,
    }
    return window, Link("candles", facts)


def _without(signal: PastSignal, what: str) -> str | None:
    failed = signal.document["reason"].startswith(FAILED)
    return None if failed else f"the signal names no {what}"


def _risk(signal: PastSignal) -> Link:
    facts = {"sha256": signal.document["version"]["risk_state_sha256"]}
    if facts["sha256"] is None:
        return Link("risk state", facts)
    try:
        risk = signal.risk
    except BotCriptoError as error:
        return Link("risk state", facts, str(error))
    shown = risk.to_json() if risk else {}
    return Link("risk state", facts | {n: shown.get(n) for n in ("account", "equity", "position")})


def _code(signal: PastSignal) -> Link:
    version = signal.document["version"]
    other = other_code(version)
    facts = {
        "commit": version["git_commit"],
        "sha256": version["code_sha256"],
        "same as now": other is None,
        "note": other,
    }
    broken = None if version["code_sha256"] else "the signal does not name it"
    return Link("code", facts, broken)


def _configuration(signal: PastSignal) -> Link:
    digest = signal.document["version"]["config_sha256"]
    facts: dict[str, Any] = {"sha256": digest}
    try:
        settings = signal.settings
    except MissingLinkError as error:
        return Link("configuration", facts, error.problem)
    facts["file"] = str(own_layout(signal.here).configs / f"{digest}.json")
    return Link("configuration", facts | {"settings": len(settings)})
