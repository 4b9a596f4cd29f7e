"""Explaining a signal to people, in English or Spanish, from the document alone."""

from __future__ import annotations

from typing import Any

from bot_cripto.decision.sizing import LIMITS
from bot_cripto.errors import ConfigError
from bot_cripto.signals.explain_texts import TEXTS

LANGUAGES = tuple(TEXTS)

# gates that share their name with another line of the page
_SHARED = {"regime", "expected_return", "risk", "size"}


def explain(document: dict[str, Any], lang: str = "en") -> str:
    """Return a page of text that says why a signal is what it is.

    Parameters
    ----------
    document : dict
        A valid signal document, with or without a forecast.
    lang : str
        ``en`` or ``es``. Sentences that stand in the document (reasons) stay as they are there.

    Returns
    -------
    str
        Lines of plain text, ending with a line feed.

    Raises
    ------
    ConfigError
        There are no texts in that language.
    """
    if lang not in TEXTS:
        raise ConfigError(f"language {lang!r} is unknown; allowed: {', '.join(LANGUAGES)}")
    texts = TEXTS[lang]
    blocks = [
        _headline(document, texts),
        _forecast(document, texts),
        _sizing(document, texts),
        _gates(document, texts),
        _made_with(document, texts),
    ]
    return "\n\n".join("\n".join(block) for block in blocks) + "\n"


def _headline(document: dict[str, Any], texts: dict[str, str]) -> list[str]:
    unknown = texts["unknown"]
    lines = [
        f"{document['symbol'] or unknown} {document['timeframe'] or unknown}: "
        f"{document['decision']}",
        f"{texts['reason']}: {document['reason']}",
        f"{texts['candle']}: {document['candle_close_time'] or unknown}   "
        f"{texts['valid_until']}: {document['valid_until'] or unknown}   "
        f"{texts['made']}: {document['ts']}",
        f"{texts['source']}: {document['source'] or unknown}   "
        f"{texts['mode']}: {document['mode']}   {texts['revision']} {document['revision']}",
    ]
    if document["mode"] == "SIMULATED":
        lines.insert(0, f"*** {texts['simulated']} ***")
    return lines


def _forecast(document: dict[str, Any], texts: dict[str, str]) -> list[str]:
    risk = texts["risk_yes"] if document["risk_allowed"] else texts["risk_no"]
    equity = document["equity"]
    share = texts["of_equity"].format(
        share=_percent(document["position_size"]),
        equity=texts["unknown"] if equity is None else f"{equity:.2f}",
    )
    regime = document["regime"] or texts["none"]
    if document["regime_reason"]:
        regime += f" ({document['regime_reason']})"
    lines = [
        f"{texts['regime']}: {regime}",
        f"{risk}: {document['risk_reason']}",
        f"{texts['size']}: {share}   {texts['confidence']}: {document['confidence']:.4f}",
    ]
    if document["decision"] == "SHORT" and document["position_size"] == 0:
        lines.append(texts["spot_short"])
    if document["prob_up"] is None:
        return [texts["no_forecast"], *lines]
    quantiles = " / ".join(_percent(document[name]) for name in ("p10", "p50", "p90"))
    return [
        texts["forecast"].format(steps=document["horizon_steps"]),
        f"  {texts['prob_up']}: {document['prob_up']:.4f}",
        f"  {texts['expected_return']}: {_percent(document['expected_return'])}",
        f"  {texts['quantiles']}: {quantiles}",
        f"  {texts['risk']}: {document['risk_score']:.4f} ({document['risk_rank']:.4f})",
        *lines,
    ]


def _sizing(document: dict[str, Any], texts: dict[str, str]) -> list[str]:
    factors = {factor["name"]: factor["value"] for factor in document["sizing"]}
    if not factors:
        return [texts["no_sizing"]]
    limits = {name: factors[name] for name in LIMITS if name in factors}
    width = max(len(texts.get(name, name)) for name in factors)

    def row(name: str, mark: str = "") -> str:
        return f"  {texts.get(name, name).ljust(width)}  {_percent(factors[name])}  {mark}".rstrip()

    least = min(limits, key=limits.__getitem__, default=None)
    return [
        texts["sizing_inputs"],
        *(row(name) for name in factors if name not in limits),
        texts["sizing"],
        *(row(name, f"<- {texts['binds']}" if name == least else "") for name in limits),
    ]


def _gates(document: dict[str, Any], texts: dict[str, str]) -> list[str]:
    rows = [("", *(texts[name] for name in ("gate", "value", "threshold", "margin")), "")]
    rows += [
        (
            texts["passed"] if gate["passed"] else texts["failed"],
            gate["name"],
            *(_number(gate[name]) for name in ("value", "threshold", "margin")),
            _label(gate["name"], texts),
        )
        for gate in document["gates"]
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    lines = [texts["gates"]]
    for mark, name, *figures, label in rows:
        cells = "  ".join(f.rjust(w) for f, w in zip(figures, widths[2:], strict=True))
        line = f"  {mark.ljust(widths[0])}  {name.ljust(widths[1])}  {cells}  {label}"
        lines.append(line.rstrip())
    failed = next((gate for gate in document["gates"] if not gate["passed"]), None)
    return [*lines, _first_failed(failed, texts)]


def _first_failed(gate: dict[str, Any] | None, texts: dict[str, str]) -> str:
    if gate is None:
        return texts["all_passed"]
    line = texts["first"].format(name=gate["name"])
    if label := _label(gate["name"], texts):
        line += f" ({label})"
    if gate["margin"] is None:
        return f"{line}: {texts['unmeasured']}"
    short = texts["short_of"].format(
        value=_number(gate["value"]),
        threshold=_number(gate["threshold"]),
        short=_number(-gate["margin"]),
    )
    return f"{line}: {short}"


def _made_with(document: dict[str, Any], texts: dict[str, str]) -> list[str]:
    version, unknown = document["version"], texts["unknown"]
    hashes = {
        "git": version["git_commit"],
        texts["code"]: version["code_sha256"],
        texts["config"]: version["config_sha256"],
        texts["candles"]: version["candles_sha256"],
        texts["features"]: version["features_sha256"],
        texts["portfolio"]: version["risk_state_sha256"],
    }
    parts = ", ".join(
        f"{name} {value[:12] if value else unknown}" for name, value in hashes.items()
    )
    models = ", ".join(
        f"{kind} {use['version'] if use else texts['none']}"
        for kind, use in version["models"].items()
    )
    return [f"{texts['made_with']}: {parts}", f"{texts['models']}: {models}"]


def _label(name: str, texts: dict[str, str]) -> str:
    return texts.get(f"{name}_gate" if name in _SHARED else name, "")


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.6g}"


def _percent(value: float) -> str:
    return f"{100 * value:.3f} %"
