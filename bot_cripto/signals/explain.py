"""Explaining a signal to people, in English or Spanish, from the document alone."""

from __future__ import annotations

from typing import Any

from bot_cripto.errors import ConfigError

_TEXTS: dict[str, dict[str, str]] = {
    "en": {
        "simulated": "SIMULATED: these prices are made up. This is no market and no advice.",
        "candle": "Candle closed",
        "valid_until": "Valid until",
        "made": "Made",
        "source": "Source",
        "mode": "Mode",
        "revision": "revision",
        "reason": "Why",
        "forecast": "Forecast for {steps} candles ahead",
        "no_forecast": "Forecast: none",
        "prob_up": "Probability of up",
        "expected_return": "Expected return",
        "quantiles": "Return p10 / p50 / p90",
        "risk": "Risk score (rank)",
        "regime": "Regime",
        "none": "none",
        "unknown": "unknown",
        "risk_yes": "Risk allows an entry",
        "risk_no": "Risk allows no entry",
        "gates": "Gates",
        "gate": "gate",
        "value": "value",
        "threshold": "threshold",
        "margin": "margin",
        "passed": "pass",
        "failed": "FAIL",
        "first": "First gate that failed: {name}",
        "short_of": "value {value}, threshold {threshold}, missed by {short}",
        "unmeasured": "there was nothing to measure",
        "all_passed": "Every gate passed.",
        "size": "Position",
        "of_equity": "{share} of equity {equity}",
        "confidence": "Confidence",
        "made_with": "Made with",
        "code": "code",
        "config": "configuration",
        "candles": "candles",
        "features": "features",
        "models": "models",
        "data_fresh": "candle is the newest closed one",
        "data_sound": "candles are sound",
        "inputs_complete": "every feature has a value",
        "model_valid": "models may be used",
        "regime_gate": "regime allows entries",
        "probability": "probability of the direction",
        "expected_return_gate": "expected return of the direction",
        "cost": "move above the round trip's cost",
        "risk_gate": "risk score",
    },
    "es": {
        "simulated": "SIMULADO: estos precios son inventados. No es un mercado ni un consejo.",
        "candle": "Cierre de la vela",
        "valid_until": "Válida hasta",
        "made": "Creada",
        "source": "Fuente",
        "mode": "Modo",
        "revision": "revisión",
        "reason": "Motivo",
        "forecast": "Pronóstico a {steps} velas",
        "no_forecast": "Pronóstico: ninguno",
        "prob_up": "Probabilidad de subida",
        "expected_return": "Retorno esperado",
        "quantiles": "Retorno p10 / p50 / p90",
        "risk": "Riesgo (rango)",
        "regime": "Régimen",
        "none": "ninguno",
        "unknown": "desconocido",
        "risk_yes": "El riesgo permite entrar",
        "risk_no": "El riesgo no permite entrar",
        "gates": "Condiciones",
        "gate": "condición",
        "value": "valor",
        "threshold": "umbral",
        "margin": "margen",
        "passed": "pasa",
        "failed": "FALLA",
        "first": "Primera condición que falla: {name}",
        "short_of": "valor {value}, umbral {threshold}, no pasa por {short}",
        "unmeasured": "no había nada que medir",
        "all_passed": "Se cumplen todas las condiciones.",
        "size": "Posición",
        "of_equity": "{share} del capital {equity}",
        "confidence": "Confianza",
        "made_with": "Hecha con",
        "code": "código",
        "config": "configuración",
        "candles": "velas",
        "features": "variables",
        "models": "modelos",
        "data_fresh": "la vela es la última cerrada",
        "data_sound": "las velas son correctas",
        "inputs_complete": "todas las variables tienen valor",
        "model_valid": "los modelos son utilizables",
        "regime_gate": "el régimen permite entrar",
        "probability": "probabilidad de la dirección",
        "expected_return_gate": "retorno esperado de la dirección",
        "cost": "movimiento mayor que el coste total",
        "risk_gate": "puntuación de riesgo",
    },
}

LANGUAGES = tuple(_TEXTS)

# gates that share their name with another line of the page
_SHARED = {"regime", "expected_return", "risk"}


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
    if lang not in _TEXTS:
        raise ConfigError(f"language {lang!r} is unknown; allowed: {', '.join(LANGUAGES)}")
    texts = _TEXTS[lang]
    blocks = [
        _headline(document, texts),
        _forecast(document, texts),
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
